import { PerigeeError } from "#protocol/errors.ts";
import type { Account } from "../../../auth/accounts.ts";
import { bearerToken } from "../../../auth/identify.ts";
import type { DialectCore } from "../../core.ts";
import { type Project, projectOf } from "../project.ts";
import { newSecret, sessionOf } from "./access-key.ts";
import type { AccessKeyRecord, AccessKeys } from "./access-keys.ts";
import { sdkAuthorization } from "./sdk-authorization.ts";
import { isSdkSigned } from "./sdk-signature.ts";
import type { SignedRequest } from "./signed-request.ts";

/** Who asks. `project` of a key: it is good for no other one. */
export type Caller = { account: Account; project?: Project };

export type CallerDeps = {
  users: Pick<DialectCore["users"], "ofToken" | "find" | "session" | "edgeOf">;
  keys: Pick<AccessKeys, "find" | "secretOf">;
  now: () => number;
};

/**
 * Who asks: by `X-Auth-Token`, which decides alone when it is there, by a bearer token, or by a signature.
 * @throws UNAUTHORIZED, the same for whatever is wrong
 */
export async function callerOf(request: SignedRequest, deps: CallerDeps): Promise<Caller> {
  const token = request.header("x-auth-token");
  if (token !== undefined) return { account: await deps.users.ofToken(token) };
  const header = request.header("authorization");
  const authorization = sdkAuthorization(header ?? "");
  if (!authorization) return { account: await deps.users.ofToken(bearerToken(header)) };
  const { accessKey } = authorization;
  const record = await findKey(accessKey, deps);
  // a key that nobody has is verified as any other is, against a secret that nobody knows
  const secret = (record && (await deps.keys.secretOf(accessKey, record))) ?? newSecret();
  if (!isSdkSigned(request, authorization, secret, deps.now()) || !record) throw refused();
  return callerOfKey(record, deps);
}

/**
 * The record of an access key, from memory as long as an account may be: a key that was revoked by another process
 * ends as soon as a removed user's does.
 */
export function findKey(
  accessKey: string,
  { users, keys }: Pick<CallerDeps, "users" | "keys">,
): Promise<AccessKeyRecord | undefined> {
  return users.session(sessionOf(accessKey), () => keys.find(accessKey));
}

/** The account and project behind a key. @throws UNAUTHORIZED when the user or the grant is gone */
export async function callerOfKey(
  { user, uid, edge }: AccessKeyRecord,
  { users }: Pick<CallerDeps, "users">,
): Promise<Caller> {
  try {
    // at once: where each read is a request to a database, they share one
    const [account] = await Promise.all([
      users.find(user, (account) => account.uid === uid),
      users.edgeOf({ uid }, edge),
    ]);
    if (account?.uid !== uid) throw refused();
    return { account, project: projectOf(account, edge) };
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "EDGE_NOT_FOUND") throw refused();
    throw error;
  }
}

function refused(): PerigeeError {
  return new PerigeeError("UNAUTHORIZED", "The request is not signed by a valid access key");
}

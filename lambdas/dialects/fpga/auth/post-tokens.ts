import * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import type { Account } from "../../../auth/accounts.ts";
import { json } from "../../../http/json-answer.ts";
import { collectBody } from "../../../http/read-body.ts";
import type { DialectCore } from "../../core.ts";
import type { DialectContext } from "../../dialect.ts";
import type { FpgaParts } from "../parts.ts";
import { domainId, type Project, projectOf, userId } from "../project.ts";

const MOST_BYTES = 64 * KiB;

const named = z.object({ name: z.string().optional(), id: z.string().optional() });
/** The body of `POST /v3/auth/tokens`. */
export const tokenRequest = z.object({
  auth: z.object({
    identity: z.object({
      methods: z.array(z.string()),
      password: z
        .object({ user: named.extend({ password: z.string(), domain: named.optional() }) })
        .optional(),
    }),
    scope: z.object({ project: named.extend({ domain: named.optional() }).optional() }).optional(),
  }),
});

/** `POST /v3/auth/tokens`: an access token for a name and a password. Any domain will do: the answer's is the user's. */
export async function postTokens(
  c: DialectContext,
  { core, userIds }: Pick<FpgaParts, "core" | "userIds">,
): Promise<Response> {
  const { identity, scope } = requestOf(await collectBody(c, MOST_BYTES));
  const user = identity.password?.user;
  if (!user || identity.methods.length !== 1 || identity.methods[0] !== "password") throw refused();
  // an id that nobody has is refused as a wrong name is, and takes as long
  const name = user.name ?? (await userIds.nameOf(user.id ?? "")) ?? "";
  const account = await core.users.ofPassword(c, name, user.password);
  if (user.id !== undefined && user.id !== userId(account.uid)) throw refused();
  const project = await projectOfScope(core, account, scope?.project);
  const { token, issuedAt, expiresAt } = await core.users.accessToken(account);
  const domain = { id: domainId(account.uid), name: account.name };
  const body = {
    methods: ["password"],
    issued_at: microseconds(issuedAt),
    expires_at: microseconds(expiresAt),
    ...(project && { project: { id: project.id, name: project.edge, domain } }),
    user: { id: await userIds.told(account), name: account.name, domain },
    roles: [{ id: "fpga", name: "fpga" }],
    catalog: [],
  };
  return json({ token: body }, 201, { "x-subject-token": token });
}

function requestOf(bytes: Buffer): z.infer<typeof tokenRequest>["auth"] {
  try {
    return tokenRequest.parse(JSON.parse(bytes.toString("utf8"))).auth;
  } catch {
    // what is in it is a password
    throw new PerigeeError("INVALID_PARAMETERS", "The body is not a request for a token");
  }
}

/** @throws UNAUTHORIZED for an unknown one, or another user's */
async function projectOfScope(
  core: DialectCore,
  account: Account,
  scope: { name?: string | undefined; id?: string | undefined } | undefined,
): Promise<Project | undefined> {
  if (scope?.id !== undefined) {
    const own = (await core.users.edges(account)).map((edge) => projectOf(account, edge));
    const found = own.find(({ id }) => id === scope.id);
    if (!found || (scope.name !== undefined && scope.name !== found.edge)) throw refused();
    return found;
  }
  try {
    return projectOf(account, await core.resolveEdge(account.name, scope?.name));
  } catch (error) {
    const isNone =
      error instanceof PerigeeError && /^(?:EDGE_NOT_FOUND|INVALID_PARAMETERS)$/.test(error.code);
    if (!isNone) throw error;
    if (scope) throw refused();
    return undefined;
  }
}

const microseconds = (ms: number) => new Date(ms).toISOString().replace("Z", "000Z");

function refused(): PerigeeError {
  return new PerigeeError("UNAUTHORIZED", "User name, password or project is wrong");
}

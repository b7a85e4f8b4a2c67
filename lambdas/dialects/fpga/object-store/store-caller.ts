import { PerigeeError } from "#protocol/errors.ts";
import type { DialectContext } from "../../dialect.ts";
import { newSecret } from "../auth/access-key.ts";
import { arrived } from "../auth/arrived.ts";
import { callerOfKey, findKey } from "../auth/caller.ts";
import { objectAuthorization, objectSigned } from "../auth/object-signature.ts";
import type { FpgaParts } from "../parts.ts";
import type { Project } from "../project.ts";
import { StoreRefusal } from "./store-errors.ts";

const REFUSALS = {
  "other-signature": ["SignatureDoesNotMatch", "The signature is not that of the request"],
  "no-time": ["AccessDenied", "The request has no date"],
  "too-skewed": ["RequestTimeTooSkewed", "The clocks differ by more than 15 minutes"],
} as const;

/** The project whose key signed the request. @throws StoreRefusal */
export async function storeCaller(c: DialectContext, { core, keys }: FpgaParts): Promise<Project> {
  const header = c.req.header("authorization");
  if (header === undefined) throw new StoreRefusal("AccessDenied", "The request is not signed");
  if (!/^AWS /.test(header)) {
    throw new StoreRefusal(
      "InvalidRequest",
      "Requests are signed with version 2: AWS <access key>:<signature>",
    );
  }
  const accessKey = /^AWS ([^\s:]+):/.exec(header)?.[1] ?? "";
  const record = await findKey(accessKey, { users: core.users, keys });
  if (!record) throw unknownKey();
  const authorization = objectAuthorization(header);
  if (!authorization) throw new StoreRefusal(...REFUSALS["other-signature"]);
  const secret = (await keys.secretOf(accessKey, record)) ?? newSecret();
  const request = await arrived(c, core.hosts, undefined);
  const signed = objectSigned(request, authorization, secret, core.now());
  if (signed !== "signed") {
    const [code, message] = REFUSALS[signed];
    throw new StoreRefusal(code, message);
  }
  const caller = await callerOfKey(record, core).catch((error: unknown) => {
    throw error instanceof PerigeeError && error.code === "UNAUTHORIZED" ? unknownKey() : error;
  });
  return caller.project ?? unreachable();
}

function unknownKey(): StoreRefusal {
  return new StoreRefusal("InvalidAccessKeyId", "There is no such access key");
}

function unreachable(): never {
  throw new Error("a key belongs to a project");
}

import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { OperationName } from "#protocol/operations.ts";
import type { Answer } from "../../dispatch/dispatch.ts";
import { answer } from "../../dispatch/dispatcher.ts";
import { readIdempotency } from "../../http/idempotency-key.ts";
import type { Preferred } from "../../http/prefer.ts";
import { collectBody } from "../../http/read-body.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { Asked } from "./asked.ts";
import { withoutPasswords } from "./hub/hub-body.ts";
import { type KeyRecord, keys } from "./records.ts";

const DAY_MS = 24 * 60 * 60_000;
/** ms: longer than any deadline here */
const MOST_MS = 60 * 60_000;

/** What an `Idempotency-Key` stands for: it is found before anything is decided, as its own effect would refuse it. */
export type Keyed = { digest: string; key: ReturnType<typeof keys.key> };

/** @throws INVALID_PARAMETERS for what is no key */
export async function keyedBy({ c, owner, path, query, endsHere }: Asked): Promise<Keyed | undefined> {
  const header = c.req.header("idempotency-key");
  if (header === undefined || endsHere) return undefined;
  const body = withoutPasswords(path, await collectBody(c, LIMITS.bodyBytes)).toString("base64");
  const request = { method: c.req.method, path, query: [...query], body };
  const { digest, key } = readIdempotency(header, "unik", request)!;
  return { digest, key: keys.key(owner, key) };
}

/**
 * The answer of the command that the key was used for, waited for as this call asks.
 * @throws IDEMPOTENCY_KEY_REUSED when it was for another request
 */
export async function earlierBy<O extends OperationName>(
  { core, owner }: Asked,
  { digest, key }: Keyed,
  { wait }: Preferred,
): Promise<Answer<O> | undefined> {
  const earlier = (await core.records.get<KeyRecord>(key))?.data;
  if (!earlier || core.now() - earlier.at > DAY_MS) return undefined;
  if (earlier.digest !== digest) {
    throw new PerigeeError("IDEMPOTENCY_KEY_REUSED", "the Idempotency-Key was used for another request");
  }
  return answerBy({ core, owner }, earlier.command, wait);
}

/** The answer of a command that another call has submitted, waited for as this one asks; undefined where it was withdrawn. */
export async function answerBy<O extends OperationName>(
  { core, owner }: Pick<Asked, "core" | "owner">,
  id: string,
  wait: Preferred["wait"],
): Promise<Answer<O> | undefined> {
  const command = await core.commands.command(owner.user, id);
  // one that was withdrawn was in truth refused
  if (command.state === "expired") return undefined;
  if (wait.kind === "none") return answer<O>(command);
  const waited = await core.commands.atMost(command, wait.kind === "most" ? wait.ms : MOST_MS);
  return waited.state === "expired" ? undefined : answer<O>(waited);
}

/** Written with the command. */
export function keyWrite({ digest, key }: Keyed, command: string, now: number): Write {
  const data: KeyRecord = { digest, command, at: now };
  return { put: { ...key, expiresAt: now + DAY_MS, data } };
}

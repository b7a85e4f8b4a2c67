import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { readIdempotency } from "../../http/idempotency-key.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { removeOldReplays } from "./old-replays.ts";
import type { Attachment, Given } from "./parameters.ts";
import { keys, type ReplayRecord, type ReplaysRecord } from "./records.ts";

/** What an Idempotency-Key stands for; without one there is nothing to find and to write. */
export type Replay = {
  /** The answer that was given under this key. @throws IDEMPOTENCY_KEY_REUSED for another request */
  find(): Promise<object | undefined>;
  /** What remembers the answer, for the transaction that makes it true. After {@link find}, in one attempt. */
  write(answer: object): Write[];
  /** sort key of its record among the user's */
  sk?: string;
};

/** @throws INVALID_PARAMETERS for a key that is none */
export function replayOf(
  c: DialectContext,
  { records, now }: DialectCore,
  uid: string,
  request: { given: Given; attachments?: readonly Attachment[] },
): Replay {
  const { method, path } = c.req;
  const edge = c.req.header("perigee-edge") ?? null;
  const files = (request.attachments ?? []).map(({ path: at, size, xxh64 }) => [at, size, xxh64]);
  const meant = { given: Object.fromEntries(request.given), files, edge };
  const idempotency = readIdempotency(c.req.header("idempotency-key"), `${method} ${path}`, meant);
  if (!idempotency) return { find: async () => undefined, write: () => [] };
  const { key, route, digest } = idempotency;
  const at = keys.replay(uid, route, key);
  let rev = 0;
  let since = 0;
  return {
    sk: at.sk,
    async find() {
      const [item, counted] = await Promise.all([
        records.get<ReplayRecord>(at),
        records.get<ReplaysRecord>(keys.replays(uid)),
      ]);
      rev = item?.rev ?? 0;
      since = await removeOldReplays(records, uid, counted);
      if (!item || now() - item.data.at >= LIMITS.idempotencyMs) return undefined;
      if (item.data.digest === digest) return item.data.answer;
      throw new PerigeeError("IDEMPOTENCY_KEY_REUSED", "The Idempotency-Key was used for another request");
    },
    write(answer) {
      const data: ReplayRecord = { digest, at: now(), answer };
      const written: ReplaysRecord = { since };
      return [
        { put: { ...at, expiresAt: now() + LIMITS.idempotencyMs, data }, if: rev },
        // without a condition, so that requests at once do not keep each other up: the store counts
        { put: { ...keys.replays(uid), data: written } },
      ];
    },
  };
}

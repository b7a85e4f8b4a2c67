import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { Command } from "../../../ledger/command.ts";
import type { Write } from "../../../ports/ledger-store.ts";
import type { Asked } from "../asked.ts";
import { requireRoom } from "../bounds.ts";
import type { HubUser } from "../records.ts";
import { readOwn } from "./entries.ts";
import { ENTRY, hubKeys, PUSH, type PushRecord } from "./hub-records.ts";

/** An archive may be so much larger than what the edge says of its image. */
const BESIDE = { part: 1 / 8, bytes: 16 * MiB };

/**
 * Bytes that a push may bring, of what the account has left beside pushes that have not ended.
 * @param image `name`: of the entry that it is to be; undefined where it is none of this ground's
 * @returns also what is written with it, on condition that no other was let in meanwhile
 * @throws QUOTA_EXCEEDED, MAX_UPLINK_SIZE_EXCEEDED, TOO_MANY_REQUESTS
 */
export async function roomFor(
  { core, owner }: Asked,
  { user, uid }: HubUser,
  { name, bytes: imageBytes }: { name: string | undefined; bytes: number },
): Promise<{ bytes: number; writes: (command: Command) => Write[] }> {
  if (imageBytes > LIMITS.uplinkBytes) {
    throw new PerigeeError(
      "MAX_UPLINK_SIZE_EXCEEDED",
      "the image is over 2 GiB: the hub takes none so large",
    );
  }
  const own = await readOwn(core.records, uid);
  const pushes = own.filter(({ sk }) => sk.startsWith(PUSH));
  requireRoom("pushes", pushes.length);
  const entries = own.filter(({ sk }) => sk.startsWith(ENTRY));
  if (name !== undefined && !entries.some(({ sk }) => sk === hubKeys.entry({ uid, name }).sk)) {
    requireRoom("hub", entries.length + pushes.length);
  }
  const kept = pushes.reduce((sum, { data }) => sum + (data as PushRecord).bytes, 0);
  const left = (await core.bytesLeft(user, owner.edge)) - kept;
  if (left < imageBytes) throw byteQuotaExceeded();
  const wanted = Math.ceil(imageBytes * (1 + BESIDE.part)) + BESIDE.bytes;
  const bytes = Math.max(1, Math.min(left, wanted, LIMITS.uplinkBytes));
  const turn = hubKeys.turn(uid);
  const rev = own.find(({ sk }) => sk === turn.sk)?.rev ?? 0;
  return {
    bytes,
    writes: (command) => [
      { put: { ...turn, data: {} }, if: rev },
      { put: { ...hubKeys.push(uid, command.id), data: { bytes } satisfies PushRecord } },
    ],
  };
}

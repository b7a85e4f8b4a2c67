import type { Failure } from "#protocol/errors.ts";
import type { Command } from "../../ledger/command.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { OwnRecords } from "../own-records.ts";
import type { Owner } from "./owner.ts";
import { type InstanceRecord, keys, type VolumeRecord } from "./records.ts";

/** The mount point of a run whose volume the edge has no more: another API has removed it. */
export function bareMount({ code, data }: Failure): string | undefined {
  return code === "VOLUME_NOT_FOUND" && typeof data?.at === "string" ? data.at : undefined;
}

/** The volume that a run has found gone, and what is written so that it is listed no more. */
export async function goneVolume(
  records: OwnRecords,
  owner: Owner,
  { mounts }: InstanceRecord,
  { failure, createdAt }: Command,
): Promise<{ name: string; writes: Write[] } | undefined> {
  const at = failure && bareMount(failure);
  const name = mounts.find((one) => one.at === at)?.volume;
  if (at === undefined || name === undefined) return undefined;
  const key = keys.volume(owner, name);
  const record = await records.get<VolumeRecord>(key);
  // one that was made since is another
  const isSame = record && record.data.making === undefined && record.data.createdAt <= createdAt;
  return { name, writes: isSame ? [{ delete: key, if: record.rev }] : [] };
}

import type { ResultOf } from "#protocol/operations.ts";
import { downlinkPrefix } from "../../../dispatch/staging-keys.ts";
import type { Command } from "../../../ledger/command.ts";
import type { Write } from "../../../ports/ledger-store.ts";
import type { OwnRecords } from "../../own-records.ts";
import type { OfCommand } from "../records.ts";
import { goneWrite } from "./gone.ts";
import { archiveKey, type HubEntry, hubKeys } from "./hub-records.ts";

/** Where the archive of a push is kept, before anybody can see it. The command's group is the account that it is for. */
export function keepContent({ operation, group, id }: Command): string | undefined {
  return operation === "image.export" && group !== undefined ? archiveKey(group, id) : undefined;
}

/** A push that has succeeded takes the place of what its owner had pushed under that name, in one step. */
export async function pushEnd(
  records: OwnRecords,
  { hub, name, image }: Extract<OfCommand, { does: "push" }>,
  command: Command,
): Promise<Write[]> {
  const { uid, user } = hub;
  const at = command.endedAt ?? command.createdAt;
  const key = archiveKey(uid, command.id);
  const pushKey = hubKeys.push(uid, command.id);
  const [push, before] = await Promise.all([
    records.get(pushKey),
    records.get<HubEntry>(hubKeys.entry({ uid, name })),
  ]);
  // without its record the account was removed meanwhile
  if (command.state !== "succeeded" || !push) {
    return [{ delete: pushKey }, goneWrite(key, at), goneWrite(downlinkPrefix(command), at)];
  }
  const { content, xxh64, architecture } = command.result as ResultOf<"image.export">;
  const data: HubEntry = { user, uid, name, key, bytes: content.size, xxh64, architecture, image };
  return [
    { delete: pushKey, if: push.rev },
    { put: { ...hubKeys.entry(data), data }, if: before?.rev ?? 0 },
    { put: { ...hubKeys.listed(data), data } },
    ...(before ? [goneWrite(before.data.key, at)] : []),
  ];
}

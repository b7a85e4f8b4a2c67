import type { Command } from "../../ledger/command.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { OwnRecords } from "../own-records.ts";
import { gonePodWrite } from "./gone-pods.ts";
import { goneVolume } from "./gone-volume.ts";
import { attachedTo, readHoldings, turnWrites } from "./holdings.ts";
import { hubKeys } from "./hub/hub-records.ts";
import { pushEnd } from "./hub/push-end.ts";
import type { Owner } from "./owner.ts";
import { podNameOf } from "./pod-of.ts";
import { portsOf } from "./ports-of.ts";
import { type ImageRecord, type InstanceRecord, keys, type OfCommand, type VolumeRecord } from "./records.ts";
import { leftWrite } from "./tidy-left.ts";
import { withoutVolume } from "./without-volume.ts";

/** What this dialect writes with the end of a command: each end is written whatever was changed meanwhile. */
export async function onEnd(records: OwnRecords, command: Command): Promise<Write[]> {
  const of = (await records.get<OfCommand>(keys.command(command.id)))?.data;
  if (!of) return [];
  return [...turnWrites(of), { delete: keys.command(command.id) }, ...(await endOf(records, of, command))];
}

async function endOf(records: OwnRecords, of: OfCommand, command: Command): Promise<Write[]> {
  const { state, failure } = command;
  const isDone = state === "succeeded";
  switch (of.does) {
    case "create": {
      const key = keys.image(of, of.name);
      const now = (await records.get<ImageRecord>(key))?.data;
      if (now?.making !== command.id) return [];
      const { making: _, ...before } = now;
      if (!isDone) return [before.content ? { put: { ...key, data: before } } : { delete: key }];
      const { bytes, ports } = command.result as { bytes: number; ports: number[] };
      const createdAt = command.endedAt ?? command.createdAt;
      const data: ImageRecord = {
        name: of.name,
        content: { ...of.content, bytes, ports: portsOf(ports), createdAt },
      };
      return [{ put: { ...key, data } }, ...(before.content ? [leftWrite(of)] : [])];
    }
    case "removeImage": {
      const isGone = isDone || failure?.code === "IMAGE_NOT_FOUND";
      const key = keys.image(of, of.name);
      const now = (await records.get<ImageRecord>(key))?.data;
      return isGone && now?.content?.version === of.version ? [{ delete: key }, leftWrite(of)] : [];
    }
    case "removeInstance": {
      const isGone = isDone || failure?.code === "POD_NOT_FOUND";
      if (!isGone) return [];
      return [
        { delete: keys.instance(of, of.instance) },
        { delete: keys.lease(of.instance) },
        gonePodWrite(of, podNameOf(of.instance), command.endedAt ?? command.createdAt),
      ];
    }
    case "createVolume": {
      const key = keys.volume(of, of.name);
      const now = (await records.get<VolumeRecord>(key))?.data;
      if (now?.making !== command.id) return [];
      const { making: _, ...made } = now;
      const data: VolumeRecord = { ...made, createdAt: command.endedAt ?? command.createdAt };
      return [isDone ? { put: { ...key, data } } : { delete: key }];
    }
    case "removeVolume": {
      const isGone = isDone || failure?.code === "VOLUME_NOT_FOUND";
      if (!isGone) return [];
      return [{ delete: keys.volume(of, of.name) }, ...(await detachment(records, of, of.name))];
    }
    case "push":
      return pushEnd(records, of, command);
    case "export":
      return [{ delete: hubKeys.push(of.uid, command.id) }];
    case "stop":
      return [];
    default:
      return endOfRun(records, of, command, isDone);
  }
}

/** Detaches a volume that is gone from whichever instance has it by now; decided anew when that is changed meanwhile. */
async function detachment(records: OwnRecords, owner: Owner, volume: string): Promise<Write[]> {
  const holder = attachedTo(await readHoldings(records, owner), volume);
  if (!holder) return [];
  const key = keys.instance(owner, holder.id);
  const found = await records.get<InstanceRecord>(key);
  return found ? [{ put: { ...key, data: withoutVolume(found.data, volume) }, if: found.rev }] : [];
}

async function endOfRun(
  records: OwnRecords,
  of: Extract<OfCommand, { does: "run" | "start" }>,
  command: Command,
  isDone: boolean,
): Promise<Write[]> {
  const key = keys.instance(of, of.instance);
  const now = (await records.get<InstanceRecord>(key))?.data;
  if (now?.run !== command.id) return [];
  if (isDone) return [{ put: { ...key, data: { ...now, accepted: true } satisfies InstanceRecord } }];
  const gone = await goneVolume(records, of, now, command);
  const writes = gone?.writes ?? [];
  if (of.does === "run") return [{ delete: key }, ...writes];
  // what is attached may have been detached or removed since
  const before = { ...of.before, mounts: now.mounts };
  return [{ put: { ...key, data: gone ? withoutVolume(before, gone.name) : before } }, ...writes];
}

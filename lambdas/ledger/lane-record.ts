import { type Command, readCommand } from "./command.ts";
import { decodeEntry, encodeEntry } from "./entry.ts";
import { type Lane, type LaneHold, newLane, type PendingSubmission } from "./lane.ts";
import type { Rotation } from "./rotation.ts";

/** A lane as the store holds it: entries as text, empty lists left out. */
export type LaneRecord = {
  epoch: number;
  running: string[];
  queue: string[];
  reserved: string[];
  ending?: string[];
  rotation?: Rotation;
  fresh?: Record<string, Command>;
  pending?: PendingSubmission[];
  held?: LaneHold;
};

export function encodeLane(lane: Lane): LaneRecord {
  const { epoch, running, queue, reserved, ending, rotation, fresh, pending, held } = lane;
  return {
    epoch,
    running: running.map(encodeEntry),
    queue: queue.map(encodeEntry),
    reserved: reserved.map(encodeEntry),
    ...(ending.length > 0 && { ending: ending.map(encodeEntry) }),
    ...(rotation.length > 0 && { rotation }),
    ...(Object.keys(fresh).length > 0 && { fresh }),
    ...(pending.length > 0 && { pending }),
    ...(held && { held }),
  };
}

export function decodeLane(record: LaneRecord): Lane {
  const fresh = Object.entries(record.fresh ?? {}).map(([id, command]) => [id, readCommand(command)]);
  return {
    ...newLane(record.epoch),
    running: record.running.map(decodeEntry),
    queue: record.queue.map(decodeEntry),
    reserved: record.reserved.map(decodeEntry),
    ending: (record.ending ?? []).map(decodeEntry),
    rotation: record.rotation ?? [],
    fresh: Object.fromEntries(fresh),
    pending: record.pending ?? [],
    ...(record.held && { held: record.held }),
  };
}

import type { Command } from "../ledger/command.ts";

/** Stands for the pod name where it is not known, or means nothing. */
export const NO_POD = "_";

/** Prefix of a command's uplinked files, ending in `/`. */
export function uplinkPrefix(command: Pick<Command, "user" | "id">, pod: string): string {
  return `uplink/${command.user}/${pod}/${command.id}/`;
}

/** Name of the object under {@link uplinkPrefix} that lists the files. */
export const MANIFEST = "manifest";

/** Name of the object under {@link uplinkPrefix} that says how an upload in parts is cut. */
export const PLAN = "plan";

/** Prefix of what the agent put into staging for a command, ending in `/`. */
export function downlinkPrefix(command: Pick<Command, "user" | "id">): string {
  return `downlink/${command.user}/${NO_POD}/${command.id}/`;
}

/**
 * Key of object `n` of a command's downlink. It holds the epoch: a signed URL outlives the agent that asked for
 * it, and what a superseded one still writes must land nowhere.
 */
export function downlinkKey(command: Pick<Command, "user" | "id" | "epoch">, n: number): string {
  return `${downlinkPrefix(command)}${command.epoch ?? 0}.${n}`;
}

/** Key of a command's result, as JSON, when it is too large for the ledger. Holds the epoch, as {@link downlinkKey}. */
export function resultKey(command: Pick<Command, "user" | "id" | "epoch">): string {
  return `${downlinkPrefix(command)}${command.epoch ?? 0}.result`;
}

import type { StagedContent } from "#protocol/operations.ts";
import { downlinkKey, downlinkPrefix } from "../dispatch/staging-keys.ts";
import type { Command } from "../ledger/command.ts";

type Of = Pick<Command, "user" | "id" | "epoch">;

/**
 * Key of the object that `content` is; of one in chunks, the level in which they lie. What came in parts has the
 * transfer's name in place of the epoch: a later agent goes on with it, and a transfer's name stands for the same
 * bytes whoever sends them.
 */
export function contentKey(command: Of, { n, transfer }: Pick<StagedContent, "n" | "transfer">): string {
  return transfer === undefined ? downlinkKey(command, n) : `${downlinkPrefix(command)}${transfer}.${n}`;
}

/** Key of the one object that was made out of chunks, for readers that need a single one. */
export function joinedKey(command: Of, content: StagedContent): string {
  return `${contentKey(command, content)}.whole`;
}

import { PerigeeError } from "#protocol/errors.ts";
import type { Entry } from "./entry.ts";

/**
 * A command that wanted a place at once was refused: its lane is full, or somebody queues already. Its message
 * tells nothing of others' commands; what a dialect tells to whom is the dialect's.
 */
export class LaneBusy extends PerigeeError {
  readonly lane: string;
  /** the command that has the place, or is first in the queue */
  readonly id: string;
  readonly user: string;
  readonly operation: string;
  /** ms since 1970 */
  readonly since: number;

  constructor(
    lane: string,
    { id, user, operation, since }: Pick<Entry, "id" | "user" | "operation" | "since">,
  ) {
    super("LOCKED", `The lane ${lane} has no free place`);
    this.lane = lane;
    this.id = id;
    this.user = user;
    this.operation = operation;
    this.since = since;
  }
}

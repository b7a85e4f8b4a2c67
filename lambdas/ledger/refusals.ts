import { type Failure, PerigeeError } from "#protocol/errors.ts";
import type { Command } from "./command.ts";

/** @throws STALE_EPOCH */
export function requireEpoch(of: { epoch: number }, epoch: number): void {
  if (of.epoch !== epoch) {
    throw new PerigeeError("STALE_EPOCH", `Epoch ${epoch} is over: a newer agent serves this edge`);
  }
}

export function notFound(id: string): PerigeeError {
  return new PerigeeError("COMMAND_NOT_FOUND", `There is no command ${id}`);
}

/** A call that wants a place at once, in a lane that the operator holds since `since` (ms since 1970). */
export function heldByOperator(since: number): PerigeeError {
  const data = { data: { held: true, since: new Date(since).toISOString() } };
  return new PerigeeError("LOCKED", "CG2 is held by its operator", { data });
}

export function unreachable(): PerigeeError {
  return new PerigeeError("EM_UNREACHABLE", "CG2 is not in contact");
}

/** Why a command that has ended takes nothing any more. */
export function endedError(command: Command): PerigeeError {
  return command.state === "cancelled"
    ? new PerigeeError("CANCELLED", "The command was cancelled")
    : new PerigeeError("EXPIRED", "The command has expired");
}

/** How a command ends that was begun, and of which nobody knows how far it came. */
export const INTERRUPTED: Failure = {
  code: "INTERRUPTED",
  message: "The command was interrupted on the edge; its outcome is not known",
};

/** Takes it that there is no such command for an answer: `.catch(unlessNoCommand)` gives undefined. @throws every other error */
export function unlessNoCommand(error: unknown): undefined {
  if (!(error instanceof PerigeeError) || error.code !== "COMMAND_NOT_FOUND") throw error;
}

import type { Logger } from "pino";
import { failureOf, INTERNAL_ERROR, PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import type { ClaimedCommand, Outcome } from "#protocol/wire.ts";
import { ShuttingDown } from "../operation.ts";

/** What a report says beside the outcome. */
const ENVELOPE_BYTES = 1 * KiB;

export const CANCELLED: Outcome = { state: "cancelled" };

export const NO_ROOM: Outcome = {
  state: "failed",
  failure: { code: "STORAGE_FULL", message: "The edge has no room for its journal" },
};

/** The process died under it again and again. */
export const INTERRUPTED: Outcome = {
  state: "failed",
  failure: {
    code: "INTERRUPTED",
    message: "The command was interrupted too often; its outcome is not known",
  },
};

/** The ground is newer than this agent: the command fails, and the edge goes on with the next one. */
export function unsupported(operation: string): Outcome {
  const message = `The edge's agent does not know the operation ${operation}`;
  return { state: "failed", failure: { code: "UNSUPPORTED_OPERATION", message } };
}

/** The outcome, unless it is over what the ground takes: then the command fails here, not at the ground's door. */
export function reportable(outcome: Outcome, log: Logger, command: ClaimedCommand): Outcome {
  const bytes = Buffer.byteLength(JSON.stringify(outcome));
  if (bytes + ENVELOPE_BYTES <= LIMITS.reportBytes) return outcome;
  log.error({ command: command.id, bytes }, "the result is too large to be reported");
  return { state: "failed", failure: INTERNAL_ERROR };
}

/** What an operation's error makes of its command. @throws ShuttingDown as it is: there is no outcome then */
export function outcomeOf(error: unknown, log: Logger, command: ClaimedCommand): Outcome {
  if (error instanceof ShuttingDown) throw error;
  if (error instanceof PerigeeError && error.code === "CANCELLED") return CANCELLED;
  const failure = failureOf(error);
  if (failure.code === "INTERNAL_ERROR" || failure.code === "ENGINE_UNAVAILABLE") {
    log.error({ err: error, command: command.id, operation: command.operation }, "operation failed");
  }
  return { state: "failed", failure };
}

import type { Logger } from "pino";
import { failureOf, PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import { isOperation, OPERATIONS, type OperationName } from "#protocol/operations.ts";
import type { ClaimedCommand, Outcome, Progress } from "#protocol/wire.ts";
import type { SpoolPlace } from "../files/spool.ts";
import { type GroundClient, GroundUnavailable } from "../ground/ground-client.ts";
import type { Journal } from "../journal/journal.ts";
import { isDiskFull } from "../journal/state-database.ts";
import {
  type JournalEntry,
  type OperationContext,
  type OperationHandler,
  type OperationHandlers,
  ShuttingDown,
} from "../operation.ts";
import type { OutgoingStore } from "../transfers/outgoing-store.ts";
import { Backoff } from "./backoff.ts";
import { Transfers } from "./transfers.ts";

export type ExecuteParts = {
  ground: GroundClient;
  journal: Journal;
  handlers: OperationHandlers;
  /** told after an operation that changes something has succeeded; what it throws changes nothing */
  changed?(operation: OperationName, user: string): void;
  log: Logger;
  /** where a stream of unknown length is written to, when it needs one (default: the system's temporary files) */
  spool?: SpoolPlace;
  /** what is being sent, for the next life of this agent (default: it begins anew then) */
  outgoing?: OutgoingStore;
};

/** A command that was begun so often without reaching an end brings the agent down each time: it ends here. */
const MAX_ATTEMPTS = 10;

/** What a report says beside the outcome. */
const ENVELOPE_BYTES = 1 * KiB;

/** An operation that does not stop within this (ms) of being told to takes the agent's process with it. */
const STOP_MS = 60_000;

/** What the loop can tell a command that is under way. */
export type Running = {
  readonly command: ClaimedCommand;
  /** latest word on how far it is */
  readonly progress: Progress | undefined;
  cancel(): void;
  shutDown(): void;
  /**
   * Rejects with {@link ShuttingDown} when it was cut by {@link Running.shutDown}: it has no outcome then.
   * Rejects with another error when the operation does not stop.
   */
  readonly outcome: Promise<Outcome>;
};

/** Begins a command, or takes its outcome from the journal. */
export function execute(parts: ExecuteParts, command: ClaimedCommand, epoch: number): Running {
  const controller = new AbortController();
  let committed = false;
  let latest: Progress | undefined;
  const stop = (reason: Error) => {
    if (!committed || reason instanceof ShuttingDown) controller.abort(reason);
  };
  const cancel = () => stop(new PerigeeError("CANCELLED", "The command was cancelled"));

  const run = async (): Promise<Outcome> => {
    const done = parts.journal.outcome(command.id);
    if (done) return done;
    const { operation: name } = command;
    if (!isOperation(name)) return unsupported(parts, command);
    const operation = OPERATIONS[name];
    let journal = NO_JOURNAL;
    if (operation.changes) {
      try {
        journal = parts.journal.start(command, () => {
          committed = true;
        });
      } catch (error) {
        // What cannot be noted is not begun.
        if (!isDiskFull(error)) throw error;
        parts.log.error({ err: error, command: command.id }, "no room for the journal");
        return { state: "failed", failure: NO_ROOM };
      }
    }
    // After the journal has told whether it is too late.
    if (command.cancelRequested) cancel();
    // One that is past its commit only goes forward: giving it up would leave it half done.
    if (command.attempts > MAX_ATTEMPTS && !committed) {
      parts.log.error({ command: command.id, attempts: command.attempts }, "given up");
      return {
        state: "failed",
        failure: {
          code: "INTERRUPTED",
          message: "The command was interrupted too often; its outcome is not known",
        },
      };
    }
    const timer = setTimeout(() => {
      stop(
        new PerigeeError("DEADLINE_EXCEEDED", `The command ran into its deadline of ${command.deadline} s`),
      );
    }, command.deadline * 1000);
    try {
      const transfers = new Transfers({
        ground: parts.ground,
        epoch,
        command,
        signal: controller.signal,
        ...(parts.spool && { spool: parts.spool }),
        ...(parts.outgoing && { outgoing: parts.outgoing }),
      });
      const context: OperationContext = {
        command: { id: command.id, user: command.user, operation: name },
        input: operation.input.parse(command.input),
        signal: controller.signal,
        progress: (progress) => {
          latest = progress;
        },
        manifest: () => transfers.manifest(),
        fetch: (n, start) => transfers.fetch(n, start),
        fetchInto: (n, start, write) => transfers.fetchInto(n, start, write),
        store: (n, body, maxBytes) => transfers.store(n, body, maxBytes),
        spool: (n, make, maxBytes) => transfers.spool(n, make, maxBytes),
        journal,
      };
      const result = await attempt(parts, context, operation.changes, controller.signal);
      return reportable({ state: "succeeded", result }, parts, command);
    } catch (error) {
      return outcomeOf(error, parts, command);
    } finally {
      clearTimeout(timer);
    }
  };

  const finished = run().then(async (outcome) => {
    const { operation } = command;
    if (isOperation(operation) && OPERATIONS[operation].changes) {
      await noteDone(parts, command, outcome, controller.signal);
      if (outcome.state === "succeeded") tellChanged(parts, command.id, operation, command.user);
    }
    return outcome;
  });
  return {
    command,
    get progress() {
      return latest;
    },
    cancel,
    shutDown: () => stop(new ShuttingDown("the agent is stopping")),
    outcome: Promise.race([finished, stuck(controller.signal, finished)]),
  };
}

/** Tries until the disk has room for it: a command must not be done again because its end could not be noted. */
async function noteDone(
  parts: ExecuteParts,
  { id }: ClaimedCommand,
  outcome: Outcome,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff();
  for (;;) {
    try {
      parts.journal.done(id, outcome);
      return;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      if (signal.reason instanceof ShuttingDown) throw signal.reason;
      if (backoff.tries === 0) parts.log.error({ err: error, command: id }, "no room for the journal: again");
      await backoff.wait();
    }
  }
}

/** The command is done and noted, whatever becomes of this. */
function tellChanged(parts: ExecuteParts, id: string, operation: OperationName, user: string): void {
  try {
    parts.changed?.(operation, user);
  } catch (error) {
    parts.log.error({ err: error, command: id }, "what follows from a change failed");
  }
}

const NO_ROOM = { code: "STORAGE_FULL", message: "The edge has no room for its journal" } as const;

/** The ground is newer than this agent: the command fails, and the edge goes on with the next one. */
function unsupported(parts: ExecuteParts, { id, operation }: ClaimedCommand): Outcome {
  parts.log.error({ command: id, operation }, "the operation is not known to this version of the agent");
  const message = `The edge's agent does not know the operation ${operation}`;
  return { state: "failed", failure: { code: "UNSUPPORTED_OPERATION", message } };
}

const NO_JOURNAL: JournalEntry = {
  notes: [],
  note() {
    throw new Error("an operation that changes nothing has no journal");
  },
};

/** Operations that change nothing are simply done again when the ground went away under them. */
async function attempt(
  parts: ExecuteParts,
  context: OperationContext,
  changes: boolean,
  signal: AbortSignal,
): Promise<unknown> {
  const handler = parts.handlers[context.command.operation] as OperationHandler<OperationName>;
  const backoff = new Backoff();
  for (;;) {
    try {
      signal.throwIfAborted();
      return await handler(context);
    } catch (error) {
      if (changes || signal.aborted || !(error instanceof GroundUnavailable)) throw error;
      parts.log.warn({ err: error, command: context.command.id }, "contact lost under a command; again");
      await backoff.wait(signal);
    }
  }
}

/** The outcome, unless it is over what the ground takes: then the command fails here, not at the ground's door. */
function reportable(outcome: Outcome, parts: ExecuteParts, command: ClaimedCommand): Outcome {
  const bytes = Buffer.byteLength(JSON.stringify(outcome));
  if (bytes + ENVELOPE_BYTES <= LIMITS.reportBytes) return outcome;
  parts.log.error({ command: command.id, bytes }, "the result is too large to be reported");
  return { state: "failed", failure: { code: "INTERNAL_ERROR", message: "Internal error" } };
}

function outcomeOf(error: unknown, parts: ExecuteParts, command: ClaimedCommand): Outcome {
  if (error instanceof ShuttingDown) throw error;
  if (error instanceof PerigeeError && error.code === "CANCELLED") return { state: "cancelled" };
  const failure = failureOf(error);
  if (failure.code === "INTERNAL_ERROR" || failure.code === "ENGINE_UNAVAILABLE") {
    parts.log.error({ err: error, command: command.id, operation: command.operation }, "operation failed");
  }
  return { state: "failed", failure };
}

/** Rejects when the operation still runs long after it was told to stop: only a new process is sure then. */
function stuck(signal: AbortSignal, finished: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      "abort",
      () => {
        const timer = setTimeout(() => reject(new Error("an operation does not stop")), STOP_MS);
        void finished.catch(() => undefined).finally(() => clearTimeout(timer));
      },
      { once: true },
    );
  });
}

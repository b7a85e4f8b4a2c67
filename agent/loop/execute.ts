import type { Logger } from "pino";
import { isOperation, OPERATIONS, type OperationName } from "#protocol/operations.ts";
import type { ClaimedCommand, Outcome, Progress } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import type { SpoolPlace } from "../files/spool.ts";
import { GroundUnavailable } from "../ground/ground-client.ts";
import type { GroundSession } from "../ground/ground-session.ts";
import type { Journal } from "../journal/journal.ts";
import { isDiskFull } from "../journal/state-database.ts";
import { whenRoom } from "../journal/when-room.ts";
import {
  type JournalEntry,
  type OperationContext,
  type OperationHandler,
  type OperationHandlers,
  ShuttingDown,
} from "../operation.ts";
import { orAborted } from "../or-aborted.ts";
import type { AheadStore } from "../transfers/ahead-store.ts";
import type { OutgoingStore } from "../transfers/outgoing-store.ts";
import { CommandStop } from "./command-stop.ts";
import { Deadline } from "./deadline.ts";
import { Superseded } from "./ground-refusals.ts";
import { INTERRUPTED, NO_ROOM, outcomeOf, reportable, unsupported } from "./outcomes.ts";
import { Transfers } from "./transfers.ts";

export type ExecuteDeps = {
  session: GroundSession;
  journal: Journal;
  handlers: OperationHandlers;
  /** told after an operation that changes something has succeeded; what it throws changes nothing */
  changed?(operation: OperationName, user: string): void;
  /**
   * a command has ended. What it writes to the agent's database is noted together with the end; it may be called again
   * for one end
   */
  ended?(command: ClaimedCommand, outcome: Outcome): void;
  log: Logger;
  /** where a stream of unknown length is written to, when it needs one (default: the system's temporary files) */
  spool?: SpoolPlace;
  /** what is being sent, for the next life of this agent */
  outgoing: OutgoingStore;
  /** what has arrived behind a gap, for the next life of this agent (default: it is fetched again) */
  ahead?: AheadStore;
};

/** What the command's surroundings are told by it. */
export type ExecuteHooks = {
  /** `commit` was noted, now or by an earlier attempt */
  committed?(): void;
  /** it gives a resource back early */
  release?(key?: string): void;
  /** it is ready for its second step: resolves when it has what that takes */
  acquire?(): Promise<void>;
  /** when it was claimed (monotonic ms): the URL that came with it is used while that is young */
  claimedAt?: number;
  /** the ground has refused its epoch: another agent serves the edge */
  superseded?(error: Superseded): void;
};

/** A command under which the process died so often, with nothing to show for it, is given up. */
export const MOST_DEATHS = 10;

/** An operation that does not stop within this (ms) of being told to takes the agent's process with it. */
const STOP_MS = 60_000;

/** What the loop can tell a command that is under way. */
export type Running = {
  readonly command: ClaimedCommand;
  /** latest word on how far it is */
  readonly progress: Progress | undefined;
  /** @param kill it is to end at once */
  cancel(kill?: boolean): void;
  shutDown(): void;
  /**
   * Rejects with {@link ShuttingDown} when it was cut by {@link Running.shutDown}: it has no outcome then.
   * Rejects with another error when the operation does not stop.
   */
  readonly outcome: Promise<Outcome>;
};

/** Begins a command that has all its resources, or takes its outcome from the journal. Its deadline runs from now. */
export function execute(deps: ExecuteDeps, command: ClaimedCommand, hooks: ExecuteHooks = {}): Running {
  const stop = new CommandStop();
  let latest: Progress | undefined;

  const run = async (): Promise<Outcome> => {
    const done = deps.journal.outcome(command.id);
    if (done) return done;
    const { operation: name } = command;
    if (!isOperation(name)) {
      deps.log.error(
        { command: command.id, operation: name },
        "the operation is not known to this version of the agent",
      );
      return unsupported(name);
    }
    const { changes } = OPERATIONS[name];
    const earlier = deps.journal.earlier(command);
    // One that is past its commit only goes forward: giving it up would leave it half done.
    if (earlier.deaths >= MOST_DEATHS && !earlier.committed) {
      deps.log.error({ command: command.id, deaths: earlier.deaths }, "given up");
      return INTERRUPTED;
    }
    // Before anything else: a cancel must not end it.
    if (earlier.committed) stop.commit();
    const committed = () => {
      stop.commit();
      hooks.committed?.();
    };
    const start = () => deps.journal.start(command, committed, changes);
    let journal: JournalEntry;
    try {
      // What cannot be noted is not begun; what is past its commit has begun.
      journal = earlier.committed
        ? await whenRoom(start, { ...deps, command, signal: stop.signal })
        : start();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      deps.log.error({ err: error, command: command.id }, "no room for the journal");
      return NO_ROOM;
    }
    // After the journal has told whether it is too late.
    if (command.cancelRequested) stop.cancel(command.kill);
    const deadline = new Deadline(command.deadline * 1000, () => stop.deadline(command.deadline));
    try {
      const context = contextOf(deps, command, name, journal, { stop, deadline }, hooks, (progress) => {
        latest = progress;
      });
      const result = await attempt(deps, context, changes, stop.signal);
      return reportable({ state: "succeeded", result }, deps.log, command);
    } catch (error) {
      return outcomeOf(error, deps.log, command);
    } finally {
      deadline.close();
    }
  };

  const finished = run().then(
    async (outcome) => {
      await noteEnd(deps, command, outcome, stop.signal);
      return outcome;
    },
    (error: unknown) => {
      if (error instanceof ShuttingDown) deps.journal.interrupted(command.id);
      throw error;
    },
  );
  return {
    command,
    get progress() {
      return latest;
    },
    cancel: (kill) => stop.cancel(kill),
    shutDown: () => stop.shutDown(),
    outcome: Promise.race([finished, stuck(stop.signal, finished)]),
  };
}

function contextOf<O extends OperationName>(
  deps: ExecuteDeps,
  command: ClaimedCommand,
  operation: O,
  journal: JournalEntry,
  { stop, deadline }: { stop: CommandStop; deadline: Deadline },
  hooks: ExecuteHooks,
  progress: (progress: Progress) => void,
): OperationContext {
  const { session, spool, outgoing, ahead } = deps;
  const { signal } = stop;
  const transfers = new Transfers({
    ground: session.ground,
    epoch: session.epoch,
    command,
    ...(hooks.claimedAt !== undefined && { claimedAt: hooks.claimedAt }),
    signal,
    ...(spool && { spool }),
    outgoing,
    ...(ahead && { ahead }),
    deadline,
    superseded(error) {
      stop.shutDown();
      hooks.superseded?.(new Superseded("a newer agent serves this edge", { cause: error }));
    },
  });
  return {
    command: { id: command.id, user: command.user, operation },
    input: OPERATIONS[operation].input.parse(command.input) as OperationContext["input"],
    signal,
    handleCancel: () => stop.handleCancel(),
    killed: stop.killed,
    acquire: (other) =>
      deadline.pauseDuring(async () => {
        deps.journal.waits(command.id);
        await orAborted(hooks.acquire?.() ?? Promise.resolve(), AbortSignal.any([signal, other]));
        deps.journal.goesOn(command.id);
      }),
    release: (key) => hooks.release?.(key),
    progress,
    manifest: () => transfers.manifest(),
    fetch: (n, start) => transfers.fetch(n, start),
    fetchInto: (n, start, write, known) => transfers.fetchInto(n, start, write, known),
    store: (n, body, maxBytes) => transfers.store(n, body, maxBytes),
    spool: (n, make, maxBytes) => transfers.spool(n, make, maxBytes),
    journal,
  };
}

/** Makes the end durable, and says what follows from it. */
async function noteEnd(
  deps: ExecuteDeps,
  command: ClaimedCommand,
  outcome: Outcome,
  signal: AbortSignal,
): Promise<void> {
  const { id, operation, user } = command;
  if (!isOperation(operation)) return;
  if (!OPERATIONS[operation].changes) return deps.journal.readEnded(id);
  const { ended } = deps;
  const also = ended && (() => ended(command, outcome));
  // A command must not be done again because its end could not be noted.
  await whenRoom(() => deps.journal.done(id, outcome, also), { ...deps, command, signal });
  if (outcome.state !== "succeeded") return;
  try {
    deps.changed?.(operation, user);
  } catch (error) {
    // The command is done and noted, whatever becomes of this.
    deps.log.error({ err: error, command: id }, "what follows from a change failed");
  }
}

/** Operations that change nothing are simply done again when the ground went away under them. */
async function attempt(
  deps: ExecuteDeps,
  context: OperationContext,
  changes: boolean,
  signal: AbortSignal,
): Promise<unknown> {
  const handler = deps.handlers[context.command.operation] as OperationHandler<OperationName>;
  const backoff = new Backoff();
  for (;;) {
    try {
      signal.throwIfAborted();
      return await handler(context);
    } catch (error) {
      if (changes || signal.aborted || !(error instanceof GroundUnavailable)) throw error;
      deps.log.warn({ err: error, command: context.command.id }, "contact lost under a command; again");
      await deps.session.ground.link.pause(backoff, signal);
    }
  }
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

import type { JobEnd } from "#protocol/job-run.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { ResultOf } from "#protocol/operations.ts";
import { Backoff } from "../backoff.ts";
import type { Spooled } from "../files/spool.ts";
import { whenRoom } from "../journal/when-room.ts";
import { type JournalEntry, type OperationContext, RELEASED, ShuttingDown } from "../operation.ts";
import { EDGE_KEY, RUNNING_JOBS } from "../resources/resources-of.ts";
import { discardJob } from "./discard-job.ts";
import { fetchInbox, forgetReceived } from "./fetch-inbox.ts";
import type { JobDeps } from "./job-deps.ts";
import { failedEnd, isFailure } from "./job-end.ts";
import { NoRoomForResult, packOutbox, ResultTooLarge } from "./pack-outbox.ts";
import { runContainer } from "./run-container.ts";
import { sendResult } from "./send-result.ts";

type Context = OperationContext<"job.run">;
type Result = ResultOf<"job.run">;

/**
 * Carries out a job in steps that are noted, so that any of them may be cut and done again: its files are fetched, it
 * waits for its turn, its container runs (`commit`), has `ended`, its result is packed and what it held is given back
 * ({@link RELEASED}), the result is `sent`, and nothing of it stays.
 *
 * Up to `commit` a cancel ends it without a trace; afterwards it ends the container, and the job as any other.
 */
export async function runJob(deps: JobDeps, context: Context): Promise<Result> {
  const { journal, signal } = context;
  const { log } = deps;
  try {
    const sent = journal.notes.find(({ step }) => step === "sent");
    const result = sent ? (sent.detail as Result) : await stepsOf(deps, context);
    if (!sent) await whenRoom(() => journal.note("sent", result), { ...context, log });
    await discard(deps, context);
    killPoint("jobs.cleaned");
    return result;
  } catch (error) {
    // a stopped agent goes on with what it has
    if (signal.reason instanceof ShuttingDown) throw signal.reason;
    await discard(deps, context);
    throw error;
  }
}

/** How it ended is known: what cannot be removed now changes nothing, and is swept at the agent's next start. */
async function discard(deps: JobDeps, { command, input, signal }: Context): Promise<void> {
  const { log } = deps;
  try {
    const job = { id: command.id, user: command.user, space: input.space };
    await whenRoom(() => discardJob(deps, job), { command, signal, log });
  } catch (error) {
    if (signal.reason instanceof ShuttingDown) throw signal.reason;
    log.error({ err: error, command: command.id }, "what a job left could not be removed");
  }
}

async function stepsOf(deps: JobDeps, context: Context): Promise<Result> {
  const { command, input, journal } = context;
  const noted = new Map(journal.notes.map(({ step, detail }) => [step, detail]));
  const of = { user: command.user, space: input.space, submission: input.submission };
  const room = { ...context, log: deps.log };
  const note = (...note: Parameters<JournalEntry["note"]>) => whenRoom(() => journal.note(...note), room);
  const skips = () => input.onFailure === "stop" && deps.failures.has(of);
  if (!noted.has("commit")) {
    if (skips()) return failedEnd("Skipped");
    await takeTurn(deps, context, noted.has("fetched"));
    if (skips()) return failedEnd("Skipped");
    await note("commit");
  }
  let end = (noted.get(RELEASED) ?? noted.get("ended")) as JobEnd | undefined;
  if (!end) {
    const ended = await runContainer(deps, context);
    // not durable at once: after a power cut the run's own record has the same end
    await whenRoom(() => journal.noteSoon("ended", ended), room);
    end = ended;
  }
  const packed = await pack(deps, context, end);
  using result = packed.result;
  if (!noted.has(RELEASED)) {
    // Together, before the next of its group may begin.
    const stops = input.onFailure === "stop" && isFailure(packed.end);
    await note(RELEASED, packed.end, stops ? () => deps.failures.note(of) : undefined);
    killPoint("jobs.packed");
  }
  context.release();
  // It is read until it was sent.
  return await sendResult(deps, context, packed.end, result);
}

/** Fetches its files, and waits until it may run. @throws CANCELLED and whatever fetching throws */
async function takeTurn(deps: JobDeps, context: Context, fetched: boolean): Promise<void> {
  const { command, journal, signal, progress } = context;
  if (!fetched) {
    progress({ phase: "fetching" });
    await fetchInbox(deps, context);
    signal.throwIfAborted();
    journal.note("fetched");
    killPoint("jobs.fetched");
  }
  await forgetReceived(deps, command.id);
  progress({ phase: "waiting" });
  // It only waits: what is to run alone need not wait for it.
  context.release(EDGE_KEY);
  await context.acquire(signal);
}

/** The zip of a job that is done, in whichever attempt; one that is too large is an end of its own. */
async function pack(
  deps: JobDeps,
  context: Context,
  end: JobEnd,
): Promise<{ end: JobEnd; result: Spooled | undefined }> {
  if (end.state !== "done") return { end, result: undefined };
  const { signal, command } = context;
  const until = performance.now() + LIMITS.jobRoomMs;
  const backoff = new Backoff();
  for (;;) {
    context.progress({ phase: "packing" });
    try {
      return { end, result: await packOutbox(deps, context) };
    } catch (error) {
      const waits = error instanceof NoRoomForResult && performance.now() < until;
      if (error instanceof ResultTooLarge || (error instanceof NoRoomForResult && !waits)) {
        return { end: failedEnd("ResultTooLarge", error.message, end), result: undefined };
      }
      if (!waits) throw error;
      if (backoff.tries === 0) deps.log.error({ err: error, command: command.id }, "a result waits for room");
      // Others may run meanwhile, and make room.
      context.release(RUNNING_JOBS);
      await backoff.wait(signal);
      signal.throwIfAborted();
    }
  }
}

import { PerigeeError } from "#protocol/errors.ts";
import type { JobEnd } from "#protocol/job-run.ts";
import { killPoint } from "#protocol/kill-point.ts";
import type { ResultOf } from "#protocol/operations.ts";
import type { Spooled } from "../files/spool.ts";
import { type OperationContext, RELEASED, ShuttingDown } from "../operation.ts";
import { EDGE_KEY } from "../resources/resources-of.ts";
import { discardJob } from "./discard-job.ts";
import { fetchInbox, forgetReceived } from "./fetch-inbox.ts";
import type { JobDeps } from "./job-deps.ts";
import { failedEnd, isFailure } from "./job-end.ts";
import { mostOfResult, packOutbox, ResultTooLarge } from "./pack-outbox.ts";
import { runContainer } from "./run-container.ts";

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
  const { command, input, journal, signal } = context;
  const job = { id: command.id, user: command.user, space: input.space };
  try {
    const sent = journal.notes.find(({ step }) => step === "sent");
    const result = sent ? (sent.detail as Result) : await stepsOf(deps, context);
    if (!sent) journal.note("sent", result);
    await discardJob(deps, job);
    killPoint("jobs.cleaned");
    return result;
  } catch (error) {
    // a stopped agent goes on with what it has
    if (signal.reason instanceof ShuttingDown) throw signal.reason;
    await discardJob(deps, job);
    throw error;
  }
}

async function stepsOf(deps: JobDeps, context: Context): Promise<Result> {
  const { command, input, journal } = context;
  const noted = new Map(journal.notes.map(({ step, detail }) => [step, detail]));
  const of = { user: command.user, space: input.space, submission: input.submission };
  const skips = () => input.onFailure === "stop" && deps.failures.has(of);
  if (!noted.has("commit")) {
    if (skips()) return failedEnd("Skipped");
    await takeTurn(deps, context, noted.has("fetched"));
    if (skips()) return failedEnd("Skipped");
    journal.note("commit");
  }
  let end = (noted.get(RELEASED) ?? noted.get("ended")) as JobEnd | undefined;
  if (!end) {
    end = await runContainer(deps, context);
    journal.note("ended", end);
  }
  const packed = await pack(deps, context, end);
  using result = packed.result;
  if (!noted.has(RELEASED)) {
    // Before the next of its group may begin.
    if (input.onFailure === "stop" && isFailure(packed.end)) deps.failures.note(of);
    journal.note(RELEASED, packed.end);
    killPoint("jobs.packed");
  }
  context.release();
  // It is read until it was sent.
  return await send(deps, context, packed.end, result);
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
  context.progress({ phase: "packing" });
  try {
    return { end, result: await packOutbox(deps, context) };
  } catch (error) {
    if (!(error instanceof ResultTooLarge)) throw error;
    return { end: failedEnd("ResultTooLarge", error.message, end), result: undefined };
  }
}

/** Brings the result and all of the log to the ground, however long there is no contact. */
async function send(
  deps: JobDeps,
  context: Context,
  end: JobEnd,
  result: Spooled | undefined,
): Promise<Result> {
  const { command, signal, progress } = context;
  progress({ phase: "sending" });
  const sending = async (): Promise<Partial<Result>> => {
    if (!result) return {};
    const { size: total } = result;
    // Until it is on the ground it counts as the user's.
    using _ = deps.budget.take(command.user, total);
    const sent = (done: number) => progress({ phase: "sending", done, total, unit: "bytes" });
    return { content: await context.store(0, { ...result, sent }, mostOfResult(deps).zip) };
  };
  const [sent, run] = await Promise.all([
    sending().catch((error: unknown) => {
      if (!hasNoRoom(error)) throw error;
      return failedEnd("ResultTooLarge", (error as Error).message, end);
    }),
    deps.pods.until(command.id, ({ flushed }) => flushed, signal),
  ]);
  killPoint("jobs.sent");
  return { ...end, ...sent, logBytes: run?.logBytes ?? end.logBytes };
}

/** The ground takes no more of the user's. */
function hasNoRoom(error: unknown): boolean {
  return error instanceof PerigeeError && ["QUOTA_EXCEEDED", "STORAGE_FULL"].includes(error.code);
}

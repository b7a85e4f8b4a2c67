import { PerigeeError } from "#protocol/errors.ts";
import type { JobEnd } from "#protocol/job-run.ts";
import { killPoint } from "#protocol/kill-point.ts";
import type { ResultOf, StagedContent } from "#protocol/operations.ts";
import { Backoff } from "../backoff.ts";
import type { Spooled } from "../files/spool.ts";
import type { OperationContext } from "../operation.ts";
import { isRefusal } from "../transfers/send-in-parts.ts";
import type { JobDeps } from "./job-deps.ts";
import { failedEnd } from "./job-end.ts";
import { mostOfResult } from "./pack-outbox.ts";

type Context = OperationContext<"job.run">;
type Result = ResultOf<"job.run">;

/** The ground takes no more of the user's, or nothing so large, however often it is asked. */
const TOO_MUCH: readonly string[] = ["QUOTA_EXCEEDED", "BODY_TOO_LARGE"];

/**
 * Brings the result and all of the log of an ended job to the ground, however long there is no contact, and whatever
 * the ground refuses meanwhile: a job's result is dropped only when the ground has ended its command.
 * @throws COMMAND_NOT_FOUND then; the signal's reason
 */
export async function sendResult(
  deps: JobDeps,
  context: Context,
  end: JobEnd,
  result: Spooled | undefined,
): Promise<Result> {
  const { command, signal, progress } = context;
  progress({ phase: "sending" });
  const [sent, run] = await Promise.all([
    result ? contentOf(deps, context, result, end) : {},
    deps.pods.until(command.id, ({ flushed }) => flushed, signal),
  ]);
  killPoint("jobs.sent");
  return { ...end, ...sent, logBytes: run?.logBytes ?? end.logBytes };
}

async function contentOf(
  deps: JobDeps,
  context: Context,
  result: Spooled,
  end: JobEnd,
): Promise<{ content: StagedContent } | JobEnd> {
  const { command, signal, progress } = context;
  const { size: total } = result;
  // Until it is on the ground it counts as the user's.
  using _ = deps.budget.take(command.user, total);
  const sent = (done: number) => progress({ phase: "sending", done, total, unit: "bytes" });
  const backoff = new Backoff();
  for (;;) {
    try {
      return { content: await context.store(0, { ...result, sent }, mostOfResult(deps).zip) };
    } catch (error) {
      signal.throwIfAborted();
      const code = error instanceof PerigeeError ? error.code : undefined;
      const about = { err: error, command: command.id };
      if (code !== undefined && TOO_MUCH.includes(code)) {
        return failedEnd("ResultTooLarge", (error as Error).message, end);
      }
      if (code === "COMMAND_NOT_FOUND") {
        deps.log.warn(about, "the ground has ended the job: its result is dropped");
        throw error;
      }
      if (!isRefusal(error)) throw error;
      if (backoff.tries === 0) deps.log.error(about, "the ground refuses a job's result: sent again");
      await backoff.wait(signal);
      signal.throwIfAborted();
    }
  }
}

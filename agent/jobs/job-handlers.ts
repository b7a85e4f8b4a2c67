import { OPERATIONS } from "#protocol/operations.ts";
import type { ClaimedCommand, Outcome } from "#protocol/wire.ts";
import type { OperationHandlers } from "../operation.ts";
import type { JobDeps } from "./job-deps.ts";
import { isFailure } from "./job-end.ts";
import { runJob } from "./run-job.ts";

/** The operation on jobs. */
export function jobHandlers(deps: JobDeps): Pick<OperationHandlers, "job.run"> {
  return { "job.run": (context) => runJob(deps, context) };
}

/**
 * A command has ended, before its resources are given back: where it was a job that failed without having been begun,
 * those that wait for it learn of that too.
 */
export function noteJobEnd(
  { failures }: Pick<JobDeps, "failures">,
  command: Pick<ClaimedCommand, "operation" | "user" | "input">,
  outcome: Outcome,
): void {
  if (command.operation !== "job.run") return;
  const { data: input } = OPERATIONS["job.run"].input.safeParse(command.input);
  if (input?.onFailure !== "stop") return;
  const failed =
    outcome.state !== "succeeded" || isFailure(outcome.result as Parameters<typeof isFailure>[0]);
  if (failed) failures.note({ user: command.user, space: input.space, submission: input.submission });
}

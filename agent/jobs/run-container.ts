import type { JobEnd } from "#protocol/job-run.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { whenRoom } from "../journal/when-room.ts";
import type { OperationContext } from "../operation.ts";
import type { RunInput, RunRecord } from "../pods/runs/run-record.ts";
import type { JobDeps } from "./job-deps.ts";
import { endOfRun } from "./job-end.ts";
import { volumesOf } from "./job-volumes.ts";

type Context = OperationContext<"job.run">;

/** ms between SIGTERM and SIGKILL for a job that is cancelled. */
const CANCEL_GRACE_MS = 10_000;

/**
 * Runs the container of a job, or goes on with it: one that has started is not started again. A cancel gives it some
 * seconds, a kill none.
 * @throws PerigeeError QUOTA_EXCEEDED when too many runs of the user have not ended; ShuttingDown
 */
export async function runContainer(deps: JobDeps, context: Context): Promise<JobEnd> {
  const { pods, volumes } = deps;
  const { command, input, signal, killed, progress } = context;
  const run = command.id;
  const cancelled = context.handleCancel();
  const paths = volumesOf(run, input.space).all.map((name) => [
    name,
    volumes.directoryOf(command.user, name),
  ]);
  if (!pods.run(run)) progress({ phase: "starting" });
  const accepted = {
    id: run,
    user: command.user,
    volumes: Object.fromEntries(paths),
    input: runOf(context),
    kept: true,
  };
  await whenRoom(() => pods.accept(accepted), { ...context, log: deps.log });
  const cancel = () => pods.end(run, CANCEL_GRACE_MS);
  const kill = () => pods.end(run);
  listen(cancelled, cancel);
  listen(killed, kill);
  try {
    let missing = false;
    const begun = await pods.until(run, (record) => hasBegun(record) || isImageMissing(record), signal);
    if (begun && isImageMissing(begun)) {
      missing = true;
      pods.end(run);
    }
    if (begun?.phase === "running") {
      killPoint("jobs.running");
      const { startedAt } = begun;
      progress({ phase: "running", ...(startedAt !== undefined && { startedAt }) });
    }
    const ended = await pods.until(run, ({ phase }) => phase === "ended", signal);
    if (!ended) throw new Error("the run is not known any more");
    killPoint("jobs.ended");
    return endOfRun(ended, missing);
  } finally {
    cancelled.removeEventListener("abort", cancel);
    killed.removeEventListener("abort", kill);
  }
}

function listen(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true });
}

function hasBegun({ phase }: Readonly<RunRecord>): boolean {
  return phase === "running" || phase === "ended";
}

/** Nothing on the edge has the image; a start that only waits for a node to get it is none of that. */
function isImageMissing({ phase, reason }: Readonly<RunRecord>): boolean {
  return phase === "waiting" && reason === "ImagePullBackOff";
}

function runOf({ command, input }: Context): RunInput {
  const { inbox, outbox } = volumesOf(command.id, input.space);
  return {
    pod: input.pod,
    space: input.space,
    mounts: [
      { volume: inbox, at: input.inbox, readOnly: true },
      { volume: outbox, at: input.outbox },
    ],
    image: input.image,
    kind: input.kind,
    onSameName: "replace",
    maxMs: input.maxMs,
    network: "none",
    command: input.command,
    args: input.args,
    ports: [],
    envs: input.envs,
  };
}

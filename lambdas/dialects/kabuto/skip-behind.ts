import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import type { KnownJob } from "./job-state.ts";
import { knownJobsOf } from "./known-jobs.ts";
import type { Owner } from "./owner.ts";
import { keys, type PipelineRecord, type RunRecord } from "./records.ts";

/** Ends the jobs of a submission that wait behind one that was cancelled, as `on_failure=stop` has it. */
export async function skipBehind(
  core: DialectCore,
  owner: Owner,
  pipeline: PipelineRecord,
  cancelled: KnownJob,
): Promise<void> {
  const all = await knownJobsOf(core, owner, pipeline);
  const at = all.findIndex(({ job }) => job.id === cancelled.job.id);
  const waiting = all
    .slice(at + 1)
    .filter(
      ({ run, command }) => run?.submission === cancelled.run?.submission && command?.state === "queued",
    );
  // from the last on: none is given the place that another one leaves
  for (const { job, command } of waiting.reverse()) {
    await noteSkipped(core, owner, job.id);
    await core.dispatch.cancel(owner.user, command!.id).catch(() => undefined);
  }
}

function noteSkipped({ records }: DialectCore, { uid }: Owner, job: number): Promise<void> {
  return optimistically(async () => {
    const item = await records.get<RunRecord>(keys.run(uid, job));
    if (!item || item.data.end) return;
    await records.transact([
      { put: { ...keys.run(uid, job), data: { ...item.data, skipped: true } }, if: item.rev },
    ]);
  });
}

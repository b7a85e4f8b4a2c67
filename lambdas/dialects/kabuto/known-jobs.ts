import { isTerminal } from "#protocol/state.ts";
import type { DialectCore } from "../core.ts";
import { isPending, type KnownJob, liveCommand, runEndOf } from "./job-state.ts";
import { findObject } from "./objects.ts";
import type { Owner } from "./owner.ts";
import { type JobRecord, keys, type PipelineRecord, type RunRecord } from "./records.ts";

/** The jobs of a pipeline in their order, or those of `ids`. */
export async function jobsOf(
  { records }: Pick<DialectCore, "records">,
  { uid }: Owner,
  pipeline: PipelineRecord,
  ids: readonly number[] = pipeline.jobs,
): Promise<JobRecord[]> {
  const meant = pipeline.jobs.filter((id) => ids.includes(id));
  const items = await Promise.all(meant.map((id) => findObject(records, uid, "job", id)));
  return items.flatMap((item) => item?.data ?? []);
}

/** What is known of the jobs of a pipeline, as {@link jobsOf}. */
export async function knownJobsOf(
  core: Pick<DialectCore, "records" | "commands">,
  owner: Owner,
  pipeline: PipelineRecord,
  ids?: readonly number[],
): Promise<KnownJob[]> {
  const jobs = await jobsOf(core, owner, pipeline, ids);
  return knownJobs(core, owner, jobs, new Map([[pipeline.id, pipeline]]));
}

/** What is known of a user's jobs, in their order. `pipelines` are those that they are in. */
export async function knownJobs(
  core: Pick<DialectCore, "records" | "commands">,
  { user, uid }: Owner,
  jobs: readonly JobRecord[],
  pipelines: ReadonlyMap<number, PipelineRecord>,
): Promise<KnownJob[]> {
  const ids = [...new Set(jobs.flatMap(({ image }) => image ?? []))];
  // begun together, so that they are one request to DynamoDB
  const [found, runs] = await Promise.all([
    Promise.all(ids.map((id) => findObject(core.records, uid, "image", id))),
    Promise.all(jobs.map(({ id }) => core.records.get<RunRecord>(keys.run(uid, id)))),
  ]);
  const images = new Map(found.flatMap((item) => (item ? [[item.data.id, item] as const] : [])));
  return Promise.all(
    jobs.map(async (stored, n) => {
      const { data: image, rev: imageRev } = images.get(stored.image ?? 0) ?? {};
      const job = { ...stored, image: image?.id ?? null };
      const run = runs[n]?.data;
      const pending = isPending(pipelines.get(job.pipeline), job, run);
      const command = await liveCommand(core, user, run);
      // ended since, or without this dialect's records
      if (run && command && isTerminal(command.state)) {
        return { job, image, imageRev, run: { ...run, end: runEndOf(run, command) }, pending };
      }
      return { job, image, imageRev, run, pending, command };
    }),
  );
}

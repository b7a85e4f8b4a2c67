import type { DialectCore } from "../core.ts";
import type { Holding, HoldingsOf } from "../holding.ts";
import { type JobState, stateOf } from "./job-state.ts";
import { knownJobs } from "./known-jobs.ts";
import { listObjects } from "./objects.ts";
import type { JobRecord } from "./records.ts";
import { knownPodOf } from "./submissions.ts";

/** Of 5,000 that a user may have: what a list of all that is on an edge can show. */
const JOBS = 100;
const PHASES: Record<JobState, NonNullable<Holding["phase"]>> = {
  ready: "waits",
  in_queue: "waits",
  running: "runs",
  done: "ended",
  failed: "failed",
};

/** Images, and the newest jobs. */
export async function holdings(core: DialectCore, of: HoldingsOf): Promise<Holding[]> {
  const { records } = core;
  const [images, pipelines, newest] = await Promise.all([
    listObjects(records, of.uid, "image"),
    listObjects(records, of.uid, "pipeline"),
    records.query<JobRecord>({ pk: of.uid, prefix: "job#", descending: true, limit: JOBS }),
  ]);
  const here = images.filter(({ edge }) => edge === of.edge);
  const byId = new Map(pipelines.map((pipeline) => [pipeline.id, pipeline]));
  const jobs = newest.map(({ data }) => data).filter(({ pipeline }) => byId.get(pipeline)?.edge === of.edge);
  const known = await knownJobs(core, of, jobs, byId);
  return [
    ...here.map(
      ({ id, name, createdAt }): Holding => ({ kind: "image", name: `${id} ${name}`, created: createdAt }),
    ),
    ...known.map((one): Holding => {
      const state = stateOf(one);
      return {
        kind: "job",
        name: String(one.job.id),
        created: one.job.createdAt,
        state,
        phase: PHASES[state],
        ...(one.image && { image: one.image.name }),
        ...(one.run && { command: one.run.command, known: knownPodOf(one.job.id) }),
      };
    }),
  ];
}

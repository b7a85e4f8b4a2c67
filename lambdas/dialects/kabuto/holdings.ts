import type { DialectCore } from "../core.ts";
import type { Holding, Holdings, HoldingsOf } from "../holding.ts";
import { type JobState, stateOf } from "./job-state.ts";
import { knownJobs } from "./known-jobs.ts";
import { findObject, listObjects } from "./objects.ts";
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

/** Images, and the newest jobs, those of other edges not counted. */
export async function holdings(core: DialectCore, of: HoldingsOf): Promise<Holdings> {
  const { records } = core;
  const [images, pipelines] = await Promise.all([
    listObjects(records, of.uid, "image"),
    listObjects(records, of.uid, "pipeline"),
  ]);
  const here = pipelines.filter(({ edge }) => edge === of.edge);
  const ids = here.flatMap(({ jobs }) => jobs).sort((a, b) => b - a);
  const newest = await Promise.all(ids.slice(0, JOBS).map((id) => findObject(records, of.uid, "job", id)));
  const jobs = newest.flatMap((item) => item?.data ?? []);
  const known = await knownJobs(core, of, jobs, new Map(here.map((pipeline) => [pipeline.id, pipeline])));
  const items = [
    ...images
      .filter(({ edge }) => edge === of.edge)
      .map(
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
  return { items, more: ids.length > JOBS };
}

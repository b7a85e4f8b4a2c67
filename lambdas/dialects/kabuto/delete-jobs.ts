import type { Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import { useAfter, useOf } from "./job-bounds.ts";
import type { KnownJob } from "./job-state.ts";
import { inboxOf, resultsOf } from "./kept.ts";
import { counterWrite, readCounter } from "./objects.ts";
import type { Owner } from "./owner.ts";
import { keys } from "./records.ts";
import { knownPodOf } from "./submissions.ts";

/** Jobs in one transaction, with three records of each and what else its change writes. */
const AT_ONCE = 6;

/** What deletes jobs: their records first, then what is kept for them. */
export const deleteJobs = {
  /** @returns the writes for as many as one transaction holds, and the ids of those that are left */
  async writes(
    { records }: Pick<DialectCore, "records">,
    { uid }: Owner,
    jobs: readonly KnownJob[],
  ): Promise<{ gone: readonly KnownJob[]; left: number[]; writes: Write[] }> {
    const gone = jobs.slice(0, AT_ONCE);
    const left = jobs.slice(AT_ONCE).map(({ job }) => job.id);
    if (gone.length === 0) return { gone, left, writes: [] };
    const counter = await readCounter(records, uid, "job");
    const writes = gone.flatMap(({ job, run }): Write[] => [
      { delete: keys.object(uid, "job", job.id) },
      { delete: keys.run(uid, job.id) },
      // the end of a run that goes on finds no job
      ...(run ? [{ delete: keys.ofCommand(run.command) }] : []),
    ]);
    const use = useAfter(counter, useOf(...gone.map(({ job }) => job)), { files: 0, textBytes: 0 });
    writes.push(counterWrite(uid, "job", counter, { used: counter.used - gone.length, ...use }));
    return { gone, left, writes };
  },

  /** What the janitor would remove too, as no record names it. */
  async objects(core: DialectCore, owner: Owner, jobs: readonly KnownJob[]): Promise<void> {
    for (const { job, run } of jobs) {
      try {
        await core.staging.deletePrefix(inboxOf(owner, job.token));
        await core.staging.deletePrefix(resultsOf(owner, job.id));
        if (run) await core.podLogs.remove({ edge: run.edge, user: owner.user, pod: knownPodOf(job.id) });
      } catch (error) {
        core.log.warn({ err: error }, "what was kept for a deleted job is left for the janitor");
      }
    }
  },
};

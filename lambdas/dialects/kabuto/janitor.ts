import { KEPT } from "../../ports/staging-key.ts";
import type { DialectCore } from "../core.ts";
import { keptOf } from "./kept.ts";
import { listObjects } from "./objects.ts";
import type { Owner } from "./owner.ts";
import { keys, type RunRecord } from "./records.ts";
import { removeLeftImages } from "./removed.ts";
import { removeEarlierResults } from "./results.ts";
import { completeSubmission } from "./submissions.ts";

/** Inboxes that are younger may be of a request that is still being read. */
const YOUNG_MS = 24 * 3600_000;

/**
 * Completes submissions that a crash interrupted, removes images that were deleted, and what is kept for jobs that no
 * record names. It finds users by what is kept of them: any other's submission is completed by the next request that
 * submits or changes its pipeline.
 */
export async function cleanUp(core: DialectCore): Promise<void> {
  for (const user of await core.staging.listNames(`${KEPT}/`)) {
    const account = await core.users.find(user);
    if (account) await cleanUser(core, { user, uid: account.uid });
  }
}

async function cleanUser(core: DialectCore, owner: Owner): Promise<void> {
  const { records, staging, now } = core;
  for (const pipeline of await listObjects(records, owner.uid, "pipeline")) {
    await completeSubmission(core, owner, pipeline).catch((error: unknown) => {
      core.log.warn({ err: error }, "a submission could not be completed");
    });
  }
  await removeLeftImages(core, owner.uid);
  const kept = keptOf(owner);
  // Before the jobs are read: one that is made meanwhile is not taken for one that is gone.
  const results = await staging.listNames(`${kept}results/`);
  const jobs = await listObjects(records, owner.uid, "job");
  const tokens = new Set(jobs.map(({ token }) => token));
  const ids = new Set(jobs.map(({ id }) => String(id)));
  for (const token of await staging.listNames(`${kept}inbox/`)) {
    if (tokens.has(token)) continue;
    const [first] = await staging.list(`${kept}inbox/${token}/`, { limit: 1 });
    if (first && now() - first.modified > YOUNG_MS) await staging.deletePrefix(`${kept}inbox/${token}/`);
  }
  for (const id of results) {
    const run = ids.has(id) && (await records.get<RunRecord>(keys.run(owner.uid, Number(id))));
    if (run) await removeEarlierResults(core, owner, Number(id), run.data.command);
    else await staging.deletePrefix(`${kept}results/${id}/`);
  }
}

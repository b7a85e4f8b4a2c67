import { isTerminal } from "#protocol/state.ts";
import type { DialectCore } from "../core.ts";
import { onEnd } from "./ends.ts";
import { isLate } from "./is-late.ts";
import { keptOf } from "./kept.ts";
import { listObjects, recordsOf } from "./objects.ts";
import { tidyBuilds } from "./old-builds.ts";
import type { Owner } from "./owner.ts";
import { type BuildRecord, keys, type RunRecord } from "./records.ts";
import { removeLeftImages } from "./removed.ts";
import { removeEarlierResults } from "./results.ts";
import { completeSubmission } from "./submissions.ts";

/** Objects that are younger may be of a request that is still being read. */
const YOUNG_MS = 24 * 3600_000;

/** A user's part of the janitor's round, while there is time. Each step goes on with the next record when one fails. */
export async function cleanUser(core: DialectCore, owner: Owner): Promise<void> {
  const { records } = core;
  for (const pipeline of await listObjects(records, owner.uid, "pipeline")) {
    if (isLate(core)) return;
    await completeSubmission(core, owner, pipeline).catch(left(core));
  }
  await noteEnds(core, owner);
  if (isLate(core)) return;
  await tidyBuilds(core, owner).catch(left(core));
  await removeLeftImages(core, owner.uid).catch(left(core));
  if (isLate(core)) return;
  await cleanKept(core, owner);
}

/** Ends that the ledger wrote without this dialect's records. */
async function noteEnds(core: DialectCore, owner: Owner): Promise<void> {
  const { records } = core;
  for (const prefix of ["run#", "build#"]) {
    for await (const { data } of recordsOf<RunRecord | BuildRecord>(records, owner.uid, prefix)) {
      if (data.end) continue;
      if (isLate(core)) return;
      await noteEnd(core, owner, "command" in data ? data.command : data.id).catch(left(core));
    }
  }
}

async function noteEnd(core: DialectCore, { user }: Owner, id: string): Promise<void> {
  const command = await core.commands.command(user, id);
  if (!isTerminal(command.state) || !(await core.records.get(keys.ofCommand(id)))) return;
  await core.records.transact(await onEnd(core.records, command));
}

/** What is kept for jobs that no record names. */
async function cleanKept(core: DialectCore, owner: Owner): Promise<void> {
  const { records, staging, now } = core;
  const kept = keptOf(owner);
  // Before the jobs are read: one that is made meanwhile is not taken for one that is gone.
  const results = await staging.listNames(`${kept}results/`);
  const tokens = await staging.listNames(`${kept}inbox/`);
  if (results.length === 0 && tokens.length === 0) return;
  const jobs = await listObjects(records, owner.uid, "job");
  const known = new Set(jobs.map(({ token }) => token));
  const ids = new Set(jobs.map(({ id }) => String(id)));
  for (const token of tokens) {
    if (known.has(token)) continue;
    if (isLate(core)) return;
    const [first] = await staging.list(`${kept}inbox/${token}/`, { limit: 1 });
    if (first && now() - first.modified > YOUNG_MS) {
      await staging.deletePrefix(`${kept}inbox/${token}/`).catch(left(core));
    }
  }
  for (const id of results) {
    if (isLate(core)) return;
    const run = ids.has(id) && (await records.get<RunRecord>(keys.run(owner.uid, Number(id))));
    if (run) await removeEarlierResults(core, owner, Number(id), run.data.command).catch(left(core));
    else await staging.deletePrefix(`${kept}results/${id}/`).catch(left(core));
  }
}

function left({ log }: DialectCore) {
  return (error: unknown) => log.warn({ err: error }, "a record is left for the next round");
}

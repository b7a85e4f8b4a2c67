import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { findObject, idOf } from "./objects.ts";
import { ownerOf } from "./owner.ts";
import { keys, type RunRecord } from "./records.ts";
import { refusal, TEXTS } from "./refusals.ts";

/** One of the two newest runs of a job, whose logs are kept. */
export type LoggedRun = { run: number; command: string; edge: string; isNewest: boolean };
export type LoggedJob = { user: string; job: number; runs: LoggedRun[] };

/** The runs of the job in the path, the older one first. @throws a refusal for an unknown job */
export async function loggedJob(c: DialectContext, core: DialectCore): Promise<LoggedJob> {
  const { user, uid } = ownerOf(c);
  const item = await findObject(core.records, uid, "job", idOf(c.req.param("job")));
  if (!item) throw refusal(TEXTS.noJob);
  const job = item.data.id;
  const newest = (await core.records.get<RunRecord>(keys.run(uid, job)))?.data;
  if (!newest) return { user, job, runs: [] };
  const { run, command, previous, edge } = newest;
  const before = previous === undefined ? [] : [{ run: run - 1, command: previous, edge, isNewest: false }];
  return { user, job, runs: [...before, { run, command, edge, isNewest: true }] };
}

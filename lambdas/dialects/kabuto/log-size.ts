import { DROPPED, hasEnded, logOf, PAGE, type RowsDeps } from "./job-rows.ts";
import type { LoggedJob, LoggedRun } from "./logged-runs.ts";

/** What was counted of a run's log: up to the offset `next`, of a log whose kept part began at `begins`. */
type Counted = { begins: number; next: number; bytes: number; complete: boolean };

/** Runs whose count is remembered; of others it is counted again. */
const MOST = 1_000;
const MARK_BYTES = DROPPED.length + 1;
const counts = new WeakMap<object, Map<string, Counted>>();

/** Bytes of a job's rows as a text, each with a line feed. A poll counts only what came since the last one. */
export async function logSize(deps: RowsDeps, of: LoggedJob): Promise<number> {
  const sizes = await Promise.all(of.runs.map((run) => runSize(deps, of, run)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function runSize(deps: RowsDeps, of: LoggedJob, run: LoggedRun): Promise<number> {
  const known = counts.get(deps.podLogs) ?? new Map<string, Counted>();
  counts.set(deps.podLogs, known);
  const before = known.get(run.command);
  if (before?.complete) return before.bytes;
  const counted = await count(deps, of, run, before);
  known.delete(run.command);
  known.set(run.command, counted);
  for (const oldest of known.keys()) {
    if (known.size <= MOST) break;
    known.delete(oldest);
  }
  return counted.bytes;
}

async function count(deps: RowsDeps, of: LoggedJob, run: LoggedRun, before?: Counted): Promise<Counted> {
  const { podLogs } = deps;
  const key = logOf(of, run);
  const begins = await podLogs.begins(key);
  const again = before === undefined || before.begins !== begins;
  let { next, bytes } = again ? { next: 0, bytes: 0 } : before;
  const ended = hasEnded(deps, of.user, run);
  for (;;) {
    const page = await podLogs.rows(key, { after: next, limit: PAGE, ended });
    if (page.dropped && page.rows.length > 0) bytes += MARK_BYTES;
    for (const { text } of page.rows) bytes += Buffer.byteLength(text) + 1;
    next = page.next;
    if (page.complete || page.rows.length === 0) return { begins, next, bytes, complete: page.complete };
  }
}

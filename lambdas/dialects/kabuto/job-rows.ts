import { isTerminal } from "#protocol/state.ts";
import type { RunKey } from "../../logs/pod-logs.ts";
import type { DialectCore } from "../core.ts";
import type { LoggedJob, LoggedRun } from "./logged-runs.ts";
import { knownPodOf } from "./submissions.ts";

/** Ids of rows: `(run - 1) * RUN_BYTES` and the offset in the run's log at which the row ends. */
export const RUN_BYTES = 2 ** 40;
/** Rows in memory at once. */
export const PAGE = 10_000;
/** The row that stands for those that are kept no more. */
export const DROPPED = "[older log lines were dropped]";

/** A row as clients see it. `time`: RFC 3339 */
export type Row = { id: number; job: number; logline: string; time?: string };

export type RowsOptions = {
  /** id of the last row that the client has (default 0: none) */
  after?: number;
  /** rows at most (default: all) */
  limit?: number;
  /** ms to wait for a first row while the job has not ended (default 0) */
  waitMs?: number;
};

/** What rows are read from. */
export type RowsDeps = {
  podLogs: Pick<DialectCore["podLogs"], "rows">;
  commands: Pick<DialectCore["commands"], "command">;
};

/** The rows of a job's kept runs in their order, read page by page as they are taken. */
export async function* jobRows(
  deps: RowsDeps,
  of: LoggedJob,
  options: RowsOptions = {},
): AsyncGenerator<Row> {
  const { after = 0, limit = Number.POSITIVE_INFINITY, waitMs = 0 } = options;
  let left = limit;
  let any = false;
  for (const run of of.runs) {
    const base = (run.run - 1) * RUN_BYTES;
    if (after >= base + RUN_BYTES) continue;
    const from = Math.max(0, after - base);
    // it waits for the first row alone
    const waits = run.isNewest && !any ? waitMs : 0;
    for await (const row of runRows(deps, of, run, { from, left, waits })) {
      any = true;
      yield row;
      if (--left <= 0) return;
    }
  }
}

type Part = { from: number; left: number; waits: number };

async function* runRows(deps: RowsDeps, of: LoggedJob, run: LoggedRun, part: Part): AsyncGenerator<Row> {
  const { user, job } = of;
  const base = (run.run - 1) * RUN_BYTES;
  const key = logOf(of, run);
  const ended = hasEnded(deps, user, run);
  let { from, waits: waitMs } = part;
  for (;;) {
    const limit = Math.min(PAGE, part.left);
    const page = await deps.podLogs.rows(key, { after: from, limit, ended, waitMs });
    waitMs = 0;
    const [first] = page.rows;
    if (!first) return;
    if (page.dropped) {
      // what is left out ends where the kept part begins
      yield { id: base + Math.max(1, Math.min(first.cursor - 1, page.begins)), job, logline: DROPPED };
    }
    for (const { cursor, text, time } of page.rows) {
      yield { id: base + cursor, job, logline: text, ...(time !== undefined && { time }) };
    }
    from = page.next;
  }
}

/** Where the log of a run is. */
export function logOf({ user, job }: LoggedJob, { command, edge }: LoggedRun): RunKey {
  return { edge, user, pod: knownPodOf(job), run: command };
}

/** Has the run ended? Then its log is all there. */
export function hasEnded(
  { commands }: Pick<RowsDeps, "commands">,
  user: string,
  { command, isNewest }: LoggedRun,
): () => Promise<boolean> {
  return async () => !isNewest || isTerminal((await commands.command(user, command)).state);
}

import { BoundedMap } from "#protocol/bounded-map.ts";
import type { StoredPage } from "../../logs/stored-logs.ts";
import { DROPPED, hasEnded, logOf, PAGE, type RowsDeps } from "./job-rows.ts";
import type { LoggedJob, LoggedRun } from "./logged-runs.ts";

/** What was counted of a run's log: up to the offset `next`, of a log whose kept part began at `begins`. */
type Counted = { begins: number; next: number; bytes: number; complete: boolean };

/** Runs whose count is remembered; of others it is counted again. */
const MOST = 1_000;
const MARK_BYTES = DROPPED.length + 1;
const counts = new WeakMap<object, Map<string, Counted>>();

/** What rows are read from, which counts what is read through it. */
export type CountedLogs = RowsDeps & {
  /**
   * Bytes of a job's rows as a text, each with a line feed. Reads only what was not read before: nothing, where rows
   * up to a log's end were just read through this.
   */
  size(of: LoggedJob): Promise<number>;
};

/** For one answer; the counts are remembered for later ones as long as `podLogs` is. */
export function countedLogs({ podLogs, commands }: RowsDeps): CountedLogs {
  const known = counts.get(podLogs) ?? new BoundedMap<string, Counted>(MOST);
  counts.set(podLogs, known);
  /** runs that were counted to their present end */
  const current = new Set<string>();

  const rows: RowsDeps["podLogs"]["rows"] = async (key, options) => {
    const page = await podLogs.rows(key, options);
    const { run } = key;
    const before = known.get(run);
    const counted = counting(before, options.after ?? 0, page);
    // last in its order: the oldest are forgotten first
    if (counted || before?.begins !== page.begins) known.delete(run);
    if (counted) known.set(run, counted);
    if (counted && page.last) current.add(run);
    return page;
  };

  async function runSize(of: LoggedJob, run: LoggedRun): Promise<number> {
    const { command } = run;
    for (;;) {
      const counted = known.get(command);
      if (counted && (counted.complete || current.has(command))) return counted.bytes;
      const after = counted?.next ?? 0;
      const ended = hasEnded({ commands }, of.user, run);
      const page = await rows(logOf(of, run), { after, limit: PAGE, ended });
      // where rows were dropped meanwhile it is counted anew from the beginning
      if (page.rows.length === 0 && (after === 0 || known.has(command)))
        return known.get(command)?.bytes ?? 0;
    }
  }

  return {
    podLogs: { rows },
    commands,
    async size(of) {
      const sizes = await Promise.all(of.runs.map((run) => runSize(of, run)));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
  };
}

/** The count with a page that was read after a cursor; undefined when the page does not follow what was counted. */
function counting(known: Counted | undefined, after: number, page: StoredPage): Counted | undefined {
  const { rows, begins, dropped, complete } = page;
  const before = known?.begins === begins ? known : { begins, next: 0, bytes: 0, complete: false };
  // the mark stands before a first row, which may be yet to come
  if (after > before.next || (dropped && rows.length === 0)) return undefined;
  let { bytes } = before;
  if (dropped && before.next === 0) bytes += MARK_BYTES;
  for (const { cursor, text } of rows) {
    if (cursor > before.next) bytes += Buffer.byteLength(text) + 1;
  }
  return { begins, next: Math.max(before.next, page.next), bytes, complete: before.complete || complete };
}

import type { RunRecord, StopReason } from "./run-record.ts";

export type Action =
  /** its time has come: place it and start it, stopping `replaces` first */
  | { do: "begin"; run: string; replaces: string[] }
  /** it holds its node's device: program that for it, then start it */
  | { do: "load"; run: string }
  /** the engine may have it: find out, and go on from there */
  | { do: "resume"; run: string }
  | { do: "stop"; run: string; reason: StopReason }
  /** it may have ended: ask the engine and note the end */
  | { do: "settle"; run: string }
  /** it ended: push the rest of its log */
  | { do: "flush"; run: string }
  /** too many ended runs of its user wait for contact, or its pod is removed: give up its log */
  | { do: "abandon"; run: string }
  /** its log is safe: remove it from the engine */
  | { do: "remove"; run: string }
  /** nothing refers to it any more */
  | { do: "forget"; run: string };

export type World = {
  /** in order of acceptance */
  records: readonly RunRecord[];
  /** runs that something is being done for */
  busy: ReadonlySet<string>;
  /** runs that may have changed in the engine */
  suspects: ReadonlySet<string>;
  /** not to be tried before (ms), by run */
  retryAt: ReadonlyMap<string, number>;
  now: number;
  /** most ended runs of a user that wait for their log to be pushed */
  unpushedPerUser: number;
  /** most runs of a user that are over and done with; the oldest beyond are forgotten */
  endedPerUser: number;
};

/** What is to be done now, and when to look again (ms since 1970; Infinity: nothing is timed). Pure. */
export function plan(world: World): { actions: Action[]; wakeAt: number } {
  const actions: Action[] = [];
  let wakeAt = Number.POSITIVE_INFINITY;
  const later = (at: number) => {
    wakeAt = Math.min(wakeAt, at);
  };
  const forgotten = new Set<string>();
  for (const records of byPod(world.records).values()) {
    const started = records.filter(
      ({ phase }) => phase === "loading" || phase === "starting" || phase === "running",
    );
    for (const record of records) {
      const action = next(record, started, world, later);
      if (action && !world.busy.has(record.run)) actions.push(action);
    }
    for (const run of outdated(records)) forgotten.add(run);
  }
  for (const run of surplus(world)) forgotten.add(run);
  for (const run of forgotten) if (!world.busy.has(run)) actions.push({ do: "forget", run });
  actions.push(...overflow(world));
  return { actions, wakeAt };
}

function next(
  record: RunRecord,
  started: readonly RunRecord[],
  world: World,
  later: (at: number) => void,
): Action | undefined {
  const { run } = record;
  const { now } = world;
  const retryAt = world.retryAt.get(run) ?? 0;
  if (record.phase === "ended") {
    if (record.flushed && record.removed) return undefined;
    if (retryAt > now) return void later(retryAt);
    return { do: record.flushed ? "remove" : "flush", run };
  }
  if (record.phase === "running" && world.suspects.has(run)) return { do: "settle", run };
  if (record.stopReason) {
    if (retryAt > now) return void later(retryAt);
    return { do: "stop", run, reason: record.stopReason };
  }
  if (record.phase === "scheduled") {
    const at = record.input.scheduledAt ?? record.acceptedAt;
    if (at > now) return void later(at);
  }
  const deadline = deadlineOf(record, world.now);
  const inEngine = record.phase === "starting" || record.phase === "running";
  if (inEngine && retryAt > now) return void later(retryAt);
  if (deadline <= now) return { do: "stop", run, reason: "DeadlineExceeded" };
  later(deadline);
  if (record.phase === "running") return undefined;
  if (retryAt > now) return void later(retryAt);
  if (record.phase === "loading") return { do: "load", run };
  if (record.phase === "starting") return { do: "resume", run };
  const replaces = started.filter((other) => other.n < record.n);
  // Those before it are on their way out already: its turn comes when they have ended.
  if (record.phase === "waiting" && replaces.length > 0 && replaces.every((other) => other.stopReason))
    return;
  return { do: "begin", run, replaces: replaces.map((other) => other.run) };
}

/**
 * When `maxMs` is over: it counts from the start, and for a run that cannot start from when it was due, or from when its
 * device was programmed. A load has a deadline of its own.
 */
export function deadlineOf(record: RunRecord, now: number): number {
  if (record.deadline !== undefined) return record.deadline;
  if (record.phase === "loading") return Number.POSITIVE_INFINITY;
  return (record.loadedAt ?? record.dueAt ?? now) + (record.input.maxMs ?? Number.POSITIVE_INFINITY);
}

/** Records of a pod that nobody can ask for: all but the latest, the one before it that ran, and live ones. */
function outdated(records: readonly RunRecord[]): string[] {
  const latest = records.at(-1);
  const previous = records.filter((record) => record !== latest && record.startedAt !== undefined).at(-1);
  return records
    .filter(
      (record) =>
        (record !== latest && record !== previous && !record.kept) || record.kept === false || record.dropped,
    )
    .filter((record) => record.phase === "ended" && record.flushed && record.removed)
    .map((record) => record.run);
}

/** Pod names are free, so runs of ever new names would grow without end. */
function surplus(world: World): string[] {
  const done = new Map<string, RunRecord[]>();
  for (const record of world.records) {
    if (record.phase !== "ended" || !record.flushed || !record.removed || record.kept) continue;
    const mine = done.get(record.user) ?? [];
    mine.push(record);
    done.set(record.user, mine);
  }
  return [...done.values()].flatMap((records) =>
    records.slice(0, Math.max(0, records.length - world.endedPerUser)).map(({ run }) => run),
  );
}

function overflow(world: World): Action[] {
  const unpushed = new Map<string, RunRecord[]>();
  for (const record of world.records) {
    if (record.phase !== "ended" || record.flushed || record.kept || record.dropped) continue;
    const mine = unpushed.get(record.user) ?? [];
    mine.push(record);
    unpushed.set(record.user, mine);
  }
  const dropped = world.records.filter(
    ({ phase, flushed, dropped }) => dropped && phase === "ended" && !flushed,
  );
  const surplus = [...unpushed.values()].flatMap((records) =>
    records.slice(0, Math.max(0, records.length - world.unpushedPerUser)),
  );
  return [...dropped, ...surplus].map(({ run }): Action => ({ do: "abandon", run }));
}

function byPod(records: readonly RunRecord[]): Map<string, RunRecord[]> {
  const pods = new Map<string, RunRecord[]>();
  for (const record of records) {
    const key = `${record.user}/${record.pod}`;
    const runs = pods.get(key);
    if (runs) runs.push(record);
    else pods.set(key, [record]);
  }
  return pods;
}

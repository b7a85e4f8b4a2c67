import { describe, expect, test } from "vitest";
import { plan, type World } from "./run-planner.ts";
import type { RunRecord } from "./run-record.ts";

const NOW = 1_000_000;
const MINUTE = 60_000;
let n = 0;

function record(over: Partial<RunRecord> & { scheduledAt?: number } = {}): RunRecord {
  n += 1;
  const { scheduledAt, ...rest } = over;
  return {
    n,
    run: `run-${n}`,
    user: "ada",
    pod: "default",
    volumes: { default: "/volumes/ada/default" },
    input: {
      pod: "default",
      mounts: [{ volume: "default", at: "/data" }],
      image: "busybox",
      kind: "MPU",
      onSameName: "replace",
      maxMs: 10 * MINUTE,
      network: "user",
      ports: [],
      envs: {},
      scheduledAt,
    },
    acceptedAt: NOW,
    phase: "waiting",
    reason: "ContainerCreating",
    dueAt: NOW,
    flushed: false,
    removed: false,
    ...rest,
  };
}

const live = (over: Partial<RunRecord> = {}) =>
  record({ phase: "running", startedAt: NOW, deadline: NOW + 10 * MINUTE, ...over });
const done = (over: Partial<RunRecord> = {}) =>
  record({ phase: "ended", startedAt: NOW, flushed: true, removed: true, ...over });

const planOf = (records: RunRecord[], over: Partial<World> = {}) =>
  plan({
    records,
    busy: new Set(),
    suspects: new Set(),
    retryAt: new Map(),
    now: NOW,
    unpushedPerUser: 2,
    endedPerUser: 4,
    ...over,
  });
const actionsOf = (records: RunRecord[], over: Partial<World> = {}) =>
  planOf(records, over).actions.map(
    (action) => `${action.do} ${records.findIndex((r) => r.run === action.run)}`,
  );

describe("plan", () => {
  test("nothing to do, nothing to wait for", () => {
    expect(planOf([])).toEqual({ actions: [], wakeAt: Number.POSITIVE_INFINITY });
    expect(planOf([done()])).toEqual({ actions: [], wakeAt: Number.POSITIVE_INFINITY });
  });

  test("what is due begins; what is not wakes us when it is", () => {
    expect(actionsOf([record()])).toEqual(["begin 0"]);
    const later = record({ phase: "scheduled", scheduledAt: NOW + 5, dueAt: undefined });
    expect(planOf([later])).toEqual({ actions: [], wakeAt: NOW + 5 });
    expect(actionsOf([later], { now: NOW + 5 })).toEqual(["begin 0"]);
  });

  test("what is busy is left alone, and other pods are not", () => {
    const [a, b] = [record(), record({ pod: "other" })];
    expect(actionsOf([a, b], { busy: new Set([a.run]) })).toEqual(["begin 1"]);
  });

  test("a due run names those it replaces, and waits while they are stopping", () => {
    const [first, second] = [live(), record()];
    expect(planOf([first, second]).actions).toEqual([
      { do: "begin", run: second.run, replaces: [first.run] },
    ]);
    first.stopReason = "Replaced";
    expect(actionsOf([first, second])).toEqual(["stop 0"]);
    expect(actionsOf([first, second], { busy: new Set([first.run]) })).toEqual([]);
    // A scheduled one must leave its waiting state all the same.
    second.phase = "scheduled";
    expect(actionsOf([first, second], { busy: new Set([first.run]) })).toEqual(["begin 1"]);
  });

  test("the time of a pod that is loaded counts from its load on, and none counts in it", () => {
    const late = { now: NOW + 30 * MINUTE };
    expect(actionsOf([record({ phase: "loading" })], late)).toEqual(["load 0"]);
    const loaded = record({ phase: "starting", loadedAt: NOW + 25 * MINUTE });
    expect(actionsOf([loaded], late)).toEqual(["resume 0"]);
    expect(actionsOf([loaded], { now: NOW + 35 * MINUTE })).toEqual(["stop 0"]);
    // one that has no device yet cannot start
    expect(actionsOf([record()], late)).toEqual(["stop 0"]);
  });

  test("a running pod is stopped at its deadline, not before", () => {
    const pod = live();
    expect(planOf([pod])).toEqual({ actions: [], wakeAt: NOW + 10 * MINUTE });
    expect(planOf([pod], { now: NOW + 10 * MINUTE }).actions).toEqual([
      { do: "stop", run: pod.run, reason: "DeadlineExceeded" },
    ]);
  });

  test("a pod that may have ended is looked at before its deadline stops it", () => {
    const pod = live();
    expect(actionsOf([pod], { now: NOW + 11 * MINUTE, suspects: new Set([pod.run]) })).toEqual(["settle 0"]);
  });

  test("a stop that failed waits for its retry, by deadline or by wish", () => {
    for (const pod of [live(), live({ stopReason: "Stopped" })]) {
      const world = { now: NOW + 11 * MINUTE, retryAt: new Map([[pod.run, NOW + 12 * MINUTE]]) };
      expect(planOf([pod], world)).toEqual({ actions: [], wakeAt: NOW + 12 * MINUTE });
    }
  });

  test("waiting ends with max_duration, even in the middle of a pause", () => {
    const pod = record();
    const retryAt = new Map([[pod.run, NOW + 20 * MINUTE]]);
    expect(planOf([pod], { retryAt })).toEqual({ actions: [], wakeAt: NOW + 10 * MINUTE });
    expect(actionsOf([pod], { retryAt, now: NOW + 10 * MINUTE })).toEqual(["stop 0"]);
  });

  test("a start that was noted is resumed", () => {
    expect(actionsOf([record({ phase: "starting" })])).toEqual(["resume 0"]);
  });

  test("an ended run is flushed, then removed, then kept as long as it can be asked for", () => {
    const pod = done({ flushed: false, removed: false });
    expect(actionsOf([pod])).toEqual(["flush 0"]);
    pod.flushed = true;
    expect(actionsOf([pod])).toEqual(["remove 0"]);
    pod.removed = true;
    expect(actionsOf([pod])).toEqual([]);
    expect(actionsOf([pod, done()])).toEqual([]);
    expect(actionsOf([pod, done(), done()])).toEqual(["forget 0"]);
  });

  test("a run that never ran does not push out the one before it", () => {
    const never = done({ startedAt: undefined });
    expect(actionsOf([done(), never, done()])).toEqual(["forget 1"]);
  });

  test("of ever new pod names the oldest ended runs are forgotten, those of others and live ones never", () => {
    const other = done({ user: "bob", pod: "kept" });
    const alive = live({ pod: "alive" });
    const pods = Array.from({ length: 6 }, (_, i) => done({ pod: `pod-${i}` }));
    expect(actionsOf([other, alive, ...pods])).toEqual(["forget 2", "forget 3"]);
  });

  test("beyond the bound the oldest unpushed logs of that user are given up", () => {
    const unpushed = (over: Partial<RunRecord> = {}) => done({ flushed: false, removed: false, ...over });
    const records = ["a", "b", "c"].map((pod) => unpushed({ pod }));
    records.push(unpushed({ user: "bob" }));
    expect(actionsOf(records, { busy: new Set(records.map(({ run }) => run)) })).toEqual(["abandon 0"]);
  });
});

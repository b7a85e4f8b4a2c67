import { describe, expect, test } from "vitest";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions } from "../ledger/lane-options.ts";
import { Ledger } from "../ledger/ledger.ts";
import { edgeHealth, healthMetrics, laneMetrics } from "./edge-health.ts";
import { embeddedMetrics } from "./embedded-metrics.ts";

/** What the agent of these tests says of itself: as one of version 0.1. */
const AGENT = { version: "0.1.0" };

const BEAT = { epoch: 1, nodes: [], usage: {}, free: 1 };

describe("an edge's health", () => {
  test("who waits because the places that are left are for others is as expected", async () => {
    let now = 1_000_000;
    const { store } = await temporaryStore();
    const bounds = { queuePerEdge: 10, queuePerUser: 10 };
    const shared = { name: "jobs", width: 4, order: "round-robin", sharesPlaces: true, bounds } as const;
    const ledger = new Ledger(store, { now: () => now, lanes: [FIRST_LANE_OPTIONS, shared] });
    const epoch = await ledger.startAgent("em1", "journal", { version: "t", features: ["lanes"] });
    const draft = { user: "ann", edge: "em1", lane: "jobs", operation: "nodes.status", input: {} } as const;
    for (let n = 0; n < 3; n++) await ledger.submit(draft, "queue");
    now += 10_000;
    expect((await edgeHealth(ledger, "em1", now)).waitMs).toBe(10_000);
    expect((await ledger.claimMany("em1", { epoch, room: { jobs: 4 } })).commands).toHaveLength(2);
    now += 10_000;
    expect((await edgeHealth(ledger, "em1", now)).waitMs).toBe(0);
  });

  test("silence, the oldest that waits, and how long the lock is held, by the ground's clock", async () => {
    let now = 1_000_000;
    const { store } = await temporaryStore();
    const ledger = new Ledger(store, { now: () => now });
    const idle = { name: "em", running: 0, queued: 0, waitMs: 0, runMs: 0 };
    expect(await edgeHealth(ledger, "em1", now)).toEqual({
      edge: "em1",
      waitMs: 0,
      lockMs: 0,
      lanes: [idle],
    });
    const epoch = await ledger.startAgent("em1", "journal", AGENT);
    await ledger.heartbeat("em1", { ...BEAT, epoch });
    const draft = { user: "ann", edge: "em1", operation: "nodes.status", input: {} } as const;
    await ledger.submit(draft, "queue");
    now += 5_000;
    await ledger.submit(draft, "queue");
    now += 2_000;
    await ledger.claim("em1", epoch);
    now += 3_000;
    expect(await edgeHealth(ledger, "em1", now)).toEqual({
      edge: "em1",
      silenceMs: 10_000,
      waitMs: 5_000,
      lockMs: 3_000,
      lanes: [{ name: "em", running: 1, queued: 1, waitMs: 5_000, runMs: 3_000 }],
    });
  });

  test("every lane counts: what waits although there is a place, and what holds an only place", async () => {
    let now = 1_000_000;
    const { store } = await temporaryStore();
    const bounds = { queuePerEdge: 50, queuePerUser: 50 };
    const lanes: LaneOptions[] = [
      FIRST_LANE_OPTIONS,
      { name: "wide", width: 2, order: "round-robin", bounds },
      { name: "one", width: 1, order: "first-come", bounds },
    ];
    const ledger = new Ledger(store, { now: () => now, lanes });
    const epoch = await ledger.startAgent("em1", "journal", { version: "t", features: ["lanes"] });
    const submit = (lane: string) =>
      ledger.submit({ user: "ann", edge: "em1", lane, operation: "nodes.status", input: {} }, "queue");
    for (const lane of ["wide", "wide", "wide", "one"]) await submit(lane);
    now += 10_000;
    const health = async () => {
      const { waitMs, lockMs, lanes } = await edgeHealth(ledger, "em1", now);
      return { waitMs, lockMs, lanes: lanes.filter(({ name }) => name !== "em") };
    };
    // nobody takes them
    expect(await health()).toMatchObject({ waitMs: 10_000, lockMs: 0 });
    await ledger.claimMany("em1", { epoch, turn: 1, room: { wide: 2, one: 1 } });
    now += 20_000;
    // the third of the wide lane waits as it should
    expect(await health()).toEqual({
      waitMs: 0,
      lockMs: 20_000,
      lanes: [
        { name: "one", running: 1, queued: 0, waitMs: 0, runMs: 20_000 },
        { name: "wide", running: 2, queued: 1, waitMs: 30_000, runMs: 20_000 },
      ],
    });
    // a lane whose dialect is off
    const other = new Ledger(store, { now: () => now });
    expect(await edgeHealth(other, "em1", now)).toMatchObject({ waitMs: 30_000, lockMs: 0 });
  });

  test("the metrics of a lane are those of all edges together", () => {
    const lane = { name: "em", running: 1, queued: 2, waitMs: 3_000, runMs: 4_000 };
    const of = { waitMs: 0, lockMs: 0 };
    const metrics = laneMetrics([
      { edge: "em1", ...of, lanes: [lane, { ...lane, name: "jobs" }] },
      { edge: "em2", ...of, lanes: [{ ...lane, waitMs: 5_000 }] },
    ]);
    expect([...metrics.keys()]).toEqual(["em", "jobs"]);
    expect(metrics.get("em")).toEqual({
      CommandsRunning: { value: 2, unit: "Count" },
      CommandsWaiting: { value: 4, unit: "Count" },
      LongestWait: { value: 5, unit: "Seconds" },
      LongestRun: { value: 4, unit: "Seconds" },
    });
    const line = JSON.parse(embeddedMetrics("perigee", metrics.get("jobs")!, 1, "jobs"));
    expect(line).toMatchObject({ Deployment: "perigee", Lane: "jobs", CommandsWaiting: 2 });
    expect(line._aws.CloudWatchMetrics[0].Dimensions).toEqual([["Deployment", "Lane"]]);
  });

  test("of many edges the worst counts; one that never had contact is not silent", () => {
    const metrics = healthMetrics(
      [
        { edge: "em1", waitMs: 0, lockMs: 0, lanes: [] },
        { edge: "em2", silenceMs: 100_000, waitMs: 3_000, lockMs: 0, lanes: [] },
        { edge: "em3", silenceMs: 80_000, waitMs: 1_000, lockMs: 7_000, lanes: [] },
      ],
      90_000,
    );
    expect(Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value]))).toEqual({
      LongestSilence: 100,
      LongestWait: 3,
      LongestLock: 7,
      EdgesWithoutContact: 1,
    });
    expect(healthMetrics([], 90_000).LongestSilence).toEqual({ value: 0, unit: "Seconds" });
  });

  test("the line is CloudWatch's embedded metric format, and holds no edge", () => {
    const line = embeddedMetrics(
      "perigee",
      { LongestLock: { value: 7, unit: "Seconds" } },
      1_700_000_000_000,
    );
    expect(JSON.parse(line)).toEqual({
      _aws: {
        Timestamp: 1_700_000_000_000,
        CloudWatchMetrics: [
          {
            Namespace: "Perigee",
            Dimensions: [["Deployment"]],
            Metrics: [{ Name: "LongestLock", Unit: "Seconds" }],
          },
        ],
      },
      Deployment: "perigee",
      LongestLock: 7,
    });
  });
});

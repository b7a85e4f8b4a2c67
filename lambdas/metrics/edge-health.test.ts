import { describe, expect, test } from "vitest";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { Ledger } from "../ledger/ledger.ts";
import { edgeHealth, healthMetrics } from "./edge-health.ts";
import { embeddedMetrics } from "./embedded-metrics.ts";

/** What the agent of these tests says of itself: as one of version 0.1. */
const AGENT = { version: "0.1.0" };

const BEAT = { epoch: 1, nodes: [], usage: {}, free: 1 };

describe("an edge's health", () => {
  test("silence, the oldest that waits, and how long the lock is held, by the ground's clock", async () => {
    let now = 1_000_000;
    const { store } = await temporaryStore();
    const ledger = new Ledger(store, { now: () => now });
    expect(await edgeHealth(ledger, "em1", now)).toEqual({ edge: "em1", waitMs: 0, lockMs: 0 });
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
    });
  });

  test("of many edges the worst counts; one that never had contact is not silent", () => {
    const metrics = healthMetrics(
      [
        { edge: "em1", waitMs: 0, lockMs: 0 },
        { edge: "em2", silenceMs: 100_000, waitMs: 3_000, lockMs: 0 },
        { edge: "em3", silenceMs: 80_000, waitMs: 1_000, lockMs: 7_000 },
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

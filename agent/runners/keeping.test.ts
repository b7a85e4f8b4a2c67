import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { StoredRunnerPools } from "#lambdas/runners/stored-runner-pools.ts";
import { MiB } from "#protocol/limits.ts";
import { MemoryRunners } from "#test/support/memory-runners.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { Runners } from "./runners.ts";

const ADA = { user: "ada", edge: "em1" };
const SPEC = { image: "i", cpuLimit: 0, memoryLimit: 64, networkAccess: false, exposedPorts: null };
const WAIT = { timeout: 60_000, interval: 20 };

/** An edge and its ground in one process, whose clocks have nothing to do with each other, and a link that can be cut. */
function started(options: { compareMs?: number } = {}, images = { asked: [] as number[], onboard: true }) {
  const clocks = { ground: 1_800_000_000_000, edge: 5_000_000 };
  const engine = new MemoryRunners();
  const link = { cut: false };
  const through = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (link.cut) throw new Error("no contact");
    return ask();
  };
  const pools = new StoredRunnerPools({
    store: new MemoryTable().open(),
    doorbell: { ring: async () => ring() },
    ledger: { inContact: async () => true, edgeAgent: async () => ({ version: "9", features: ["runners"] }) },
    edges: async () => ["em1"],
    now: () => clocks.ground,
  });
  let runners: Runners;
  const start = (database: DatabaseSync) => {
    runners = new Runners(
      {
        database,
        runtime: engine.runtime,
        sessions: engine.sessions,
        resolveImage: async () => {
          images.asked.push(clocks.edge);
          return images.onboard ? { id: "sha256:i" } : undefined;
        },
        ground: {
          wantedPools: () => through(() => pools.wanted("em1")),
          tellPools: (told) => through(() => pools.exchange("em1", told)),
        },
        log: pino({ level: "silent" }),
        now: () => clocks.edge,
      },
      {
        bounds: { memoryBytes: 256 * MiB, maxCpus: 2, scratchBytes: MiB, network: "none" },
        paceMs: 1,
        ...options,
      },
    );
    runners.start();
    runners.connected();
    return runners;
  };
  let database = new DatabaseSync(":memory:");
  start(database);
  async function ring() {
    runners.rung();
    runners.heard(await pools.counter("em1"));
  }
  onTestFinished(() => runners.close());
  return {
    clocks,
    engine,
    link,
    pools,
    ring,
    ids: () => [...engine.containers.keys()].sort(),
    evict: (user: string) => runners.evict(user),
    isInUse: (user: string, name: string) => runners.isImageInUse(user, name, "latest"),
    open: (id: string) => runners.targets.open("ada", { runner: id }, "exec"),
    idle: async () => (await pools.statistics(ADA)).map(({ idleRunners }) => idleRunners),
    /** The agent dies and comes back, with what it had written or without. */
    async restart(withState: boolean) {
      await runners.close();
      if (!withState) database = new DatabaseSync(":memory:");
      start(database);
    },
    async take(options = {}) {
      const result = await pools.handOut(ADA, 0, options);
      if (!("runner" in result)) throw new Error(JSON.stringify(result));
      return result.runner.id;
    },
    endOf: async (id: string) => (await pools.list("ada")).find((one) => one.id === id)?.end,
  };
}

test("an edge has 200 runners, three of them are started at a time, and pools share the room in turns", async () => {
  const { pools, engine, idle } = started();
  for (const id of [0, 1]) await pools.put(ADA, { id, ...SPEC, prewarmingPoolSize: 150 });
  await expect.poll(idle, WAIT).toEqual([100, 100]);
  expect([engine.containers.size, engine.mostStarts]).toEqual([200, 3]);
  const reason = expect.stringContaining("at most 200 runners");
  await expect.poll(() => pools.pools(ADA), WAIT).toMatchObject([{ reason }, { reason }]);
});

test("an engine or API server that is away: nothing is removed, started or lost, and what was asked is done later", async () => {
  const { pools, clocks, engine, idle, take, ids, endOf } = started({ compareMs: 10 });
  await pools.put(ADA, { id: 0, ...SPEC, prewarmingPoolSize: 2 });
  await expect.poll(idle, WAIT).toEqual([2]);
  const [kept, deleted] = [await take(), await take()];
  await expect.poll(idle, WAIT).toEqual([2]);
  const before = ids();
  engine.away = true;
  await pools.end("ada", deleted);
  await pools.put(ADA, { id: 1, ...SPEC, prewarmingPoolSize: 1 });
  // several comparisons
  const { unanswered } = engine;
  await expect.poll(() => engine.unanswered, WAIT).toBeGreaterThan(unanswered + 20);
  expect([ids(), await idle(), await endOf(kept)]).toEqual([before, [2, 0], undefined]);
  expect(await pools.used("ada", kept)).toBeDefined();
  // what does not go is not tried again and again
  expect(engine.removals).toBeLessThan(10);
  engine.away = false;
  clocks.edge += 2_000;
  await expect.poll(idle, WAIT).toEqual([2, 1]);
  await expect.poll(ids, WAIT).not.toContain(deleted);
  expect(ids()).toEqual(expect.arrayContaining(before.filter((id) => id !== deleted)));
});

test("an image that a runner was made from is in use, by its user alone and for as long as there is one", async () => {
  const { pools, idle, isInUse, ids } = started();
  await pools.put(ADA, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
  await expect.poll(idle, WAIT).toEqual([1]);
  expect([isInUse("ada", "i"), isInUse("ada", "other"), isInUse("bob", "i")]).toEqual([true, false, false]);
  await pools.remove(ADA, 0);
  await expect.poll(ids, WAIT).toEqual([]);
  await expect.poll(() => isInUse("ada", "i"), WAIT).toBe(false);
});

test("an agent that has lost its state: its containers are removed, and what was handed out is lost", async () => {
  const { pools, idle, take, ids, endOf, restart, ring } = started();
  await pools.put(ADA, { id: 0, ...SPEC, prewarmingPoolSize: 2 });
  await expect.poll(idle, WAIT).toEqual([2]);
  const used = await take();
  await expect.poll(idle, WAIT).toEqual([2]);
  const before = ids();
  await restart(false);
  await ring();
  await expect.poll(() => endOf(used), WAIT).toBe("lost");
  expect(await pools.used("ada", used)).toBeUndefined();
  await expect.poll(() => ids().filter((id) => before.includes(id)), WAIT).toEqual([]);
  await expect.poll(idle, WAIT).toEqual([2]);
});

test("a restart starts none anew, and used ones keep their ids and what is left of their time, without contact too", async () => {
  const { pools, clocks, link, open, idle, take, ids, endOf, restart, ring } = started();
  await pools.put(ADA, { id: 0, ...SPEC, prewarmingPoolSize: 2 });
  await expect.poll(idle, WAIT).toEqual([2]);
  const id = await take({ inactivityMs: 60_000 });
  await expect.poll(idle, WAIT).toEqual([2]);
  const before = ids();
  link.cut = true;
  clocks.edge += 30_000;
  await restart(true);
  clocks.edge += 29_999;
  await restart(true);
  expect(ids()).toEqual(before);
  clocks.edge += 1;
  await restart(true);
  await expect.poll(ids, WAIT).toEqual(before.filter((one) => one !== id));
  expect((await open(id)).ended.reason).toEqual({ type: "timeout" });
  expect(await endOf(id)).toBeUndefined();
  link.cut = false;
  await ring();
  await expect.poll(() => endOf(id), WAIT).toBe("inactive");
});

test("clocks far apart change nothing: what was left when the edge heard of it is what is left", async () => {
  const { pools, clocks, link, idle, take, endOf, ring } = started();
  await pools.put(ADA, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
  await expect.poll(idle, WAIT).toEqual([1]);
  link.cut = true;
  const id = await take({ inactivityMs: 60_000 });
  clocks.ground += 20_000;
  link.cut = false;
  await ring();
  await expect.poll(idle, WAIT).toEqual([1]);
  clocks.edge += 39_999;
  await ring();
  await ring();
  expect(await endOf(id)).toBeUndefined();
  clocks.edge += 1;
  await ring();
  await expect.poll(() => endOf(id), WAIT).toBe("inactive");
});

test("of a user over the quota the runner that holds most is ended first, and says so to whom works in it", async () => {
  const { pools, engine, idle, take, open, evict, endOf } = started();
  await pools.put(ADA, { id: 0, ...SPEC, prewarmingPoolSize: 3 });
  await expect.poll(idle, WAIT).toEqual([3]);
  const [small, large, empty] = [await take(), await take(), await take()];
  await expect.poll(idle, WAIT).toEqual([3]);
  const { ended: smallEnded } = await open(small);
  const { ended: largeEnded } = await open(large);
  const evicted = { type: "error", code: "GONE", message: expect.stringContaining("too much on the disk") };
  for (const [id, bytes] of [
    [small, 10],
    [large, 20],
    [empty, 0],
  ] as const) {
    engine.containers.set(id, { user: "ada", bytes });
  }
  // of one that is idle, and of another user, nothing is ended
  const [pooled] = [...engine.containers.keys()].filter((id) => ![small, large, empty].includes(id));
  engine.containers.set(pooled!, { user: "ada", bytes: 1_000 });
  expect(await evict("bob")).toBe(false);
  expect(await evict("ada")).toBe(true);
  expect([largeEnded.reason, smallEnded.aborted]).toEqual([evicted, false]);
  expect(await evict("ada")).toBe(true);
  expect(smallEnded.reason).toEqual(evicted);
  // then it is the turn of pods
  expect(await evict("ada")).toBe(false);
  await expect.poll(() => Promise.all([large, small].map(endOf)), WAIT).toEqual(["evicted", "evicted"]);
  expect(await pools.used("ada", large)).toBeUndefined();
  expect(await endOf(empty)).toBeUndefined();
});

test("a pool that cannot be filled is tried at 1 s, 2 s, 4 s and so on, whatever else happens, with its reason meanwhile", async () => {
  const images = { asked: [] as number[], onboard: false };
  const { pools, clocks, engine, idle } = started({ compareMs: 5 }, images);
  const begun = clocks.edge;
  await pools.put(ADA, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
  const reason = "the image i is not onboard";
  await expect.poll(() => pools.pools(ADA), WAIT).toMatchObject([{ reason }]);
  expect(await pools.handOut(ADA, 0, {})).toMatchObject({ reason });
  /** Comparisons are occasions to try again. */
  const looks = async () => {
    const { lists } = engine;
    await expect.poll(() => engine.lists, WAIT).toBeGreaterThan(lists + 5);
  };
  for (const seconds of [1, 2, 4, 8]) {
    const tries = images.asked.length;
    clocks.edge += seconds * 1000 - 1;
    await looks();
    expect(images.asked).toHaveLength(tries);
    clocks.edge += 1;
    await expect.poll(() => images.asked.length, WAIT).toBe(tries + 1);
    await looks();
  }
  expect(images.asked.map((at) => at - begun)).toEqual([0, 1, 3, 7, 15].map((s) => s * 1000));
  images.onboard = true;
  clocks.edge += 16_000;
  await expect.poll(idle, WAIT).toEqual([1]);
  await expect.poll(async () => (await pools.pools(ADA))[0]?.reason, WAIT).toBeUndefined();
});

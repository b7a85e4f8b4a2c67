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
function started(options: { compareMs?: number } = {}) {
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
        resolveImage: async () => ({ id: "sha256:i" }),
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

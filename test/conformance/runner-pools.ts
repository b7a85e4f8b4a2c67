import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import type { LedgerStore } from "#lambdas/ports/ledger-store.ts";
import { keys } from "#lambdas/runners/records.ts";
import { StoredRunnerPools } from "#lambdas/runners/stored-runner-pools.ts";
import type { RunnerReport } from "#protocol/pool-wire.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";

const ALICE = { user: "alice", edge: "em1" };
const BOB = { user: "bob", edge: "em1" };
const SPEC = {
  image: "python",
  prewarmingPoolSize: 2,
  cpuLimit: 20,
  memoryLimit: 100,
  networkAccess: false,
  exposedPorts: null,
};
const NONE = { digest: runnerDigest([]), changed: [] };

/** An edge as its agent tells of it: what it has, and what it says of that. */
class Edge {
  readonly pools: StoredRunnerPools;
  readonly has = new Map<string, RunnerReport>();

  constructor(pools: StoredRunnerPools) {
    this.pools = pools;
  }

  idle(user: string, environment: number, generation: number): string {
    const id = `${environment}-${randomUUID()}`;
    this.has.set(id, { id, user, generation, state: "idle" });
    return id;
  }

  tell(told: { changed?: RunnerReport[]; list?: boolean; withdraw?: string[] } = {}) {
    const all = [...this.has.values()];
    const counted = all.filter(({ id }) => !told.withdraw?.includes(id));
    return this.pools.exchange("em1", {
      digest: runnerDigest(counted),
      changed: told.changed ?? all,
      ...(told.list && { list: all }),
      ...(told.withdraw && { withdraw: told.withdraw }),
    });
  }
}

/**
 * The rules of pools over any store.
 * @param open connections to one table, each as a process of its own
 * @param puts of an edge's 100 environments so many are put one after the other (default all); the others are counted only
 */
export function runnerPoolsSuite(
  open: () => Promise<{ store: LedgerStore; another(): LedgerStore }>,
  { puts = 100 }: { puts?: number } = {},
): void {
  describe("pools of runners", () => {
    let now: number;
    let contact: boolean;
    let features: string[];
    let rings: string[];
    let opened: Awaited<ReturnType<typeof open>>;
    let another: () => StoredRunnerPools;
    let pools: StoredRunnerPools;
    let edge: Edge;
    beforeEach(async () => {
      now = 1_800_000_000_000;
      contact = true;
      features = ["runners"];
      rings = [];
      opened = await open();
      const over = (store: LedgerStore) =>
        new StoredRunnerPools({
          store,
          doorbell: { ring: async (id) => void rings.push(id) },
          ledger: {
            inContact: async () => contact,
            edgeAgent: async () => ({ version: "9", operations: [], features }),
          },
          edges: async () => ["em1"],
          now: () => now,
        });
      another = () => over(opened.another());
      pools = over(opened.store);
      edge = new Edge(pools);
    });

    async function generationOf(owner: typeof ALICE, id: number): Promise<number> {
      const { environments } = await pools.wanted(owner.edge);
      return environments.find((one) => one.user === owner.user && one.id === id)!.generation;
    }

    /** An environment with so many runners that can be handed out. */
    async function filled(count: number, id = 0): Promise<string[]> {
      await pools.put(ALICE, { id, ...SPEC });
      const generation = await generationOf(ALICE, id);
      const ids = Array.from({ length: count }, () => edge.idle("alice", id, generation));
      await edge.tell();
      return ids;
    }

    const take = async (environment = 0, options = {}) => {
      const result = await pools.handOut(ALICE, environment, options);
      return "runner" in result ? result.runner.id : result.refused;
    };

    test("environments are what was put, by user and in order of ids; 0 is one", async () => {
      expect(await pools.put(ALICE, { id: 10, ...SPEC })).toBe("created");
      expect(await pools.put(ALICE, { id: 0, ...SPEC })).toBe("created");
      expect(await pools.put(BOB, { id: 0, ...SPEC, image: "bobs" })).toBe("created");
      expect(await pools.put(ALICE, { id: 10, ...SPEC, exposedPorts: [80] })).toBe("replaced");
      expect(await pools.environments(ALICE)).toEqual([
        { id: 0, ...SPEC },
        { id: 10, ...SPEC, exposedPorts: [80] },
      ]);
      expect((await pools.environment(BOB, 0))?.image).toBe("bobs");
      expect(await pools.remove(ALICE, 10)).toBe(true);
      expect(await pools.remove(ALICE, 10)).toBe(false);
      expect(await pools.environment(ALICE, 10)).toBeUndefined();
      expect(await pools.put(ALICE, { id: 10, ...SPEC })).toBe("created");
      expect(rings.length).toBeGreaterThan(0);
    });

    test("a generation is never used again, and the counter counts every change", async () => {
      expect(await pools.counter("em1")).toBeUndefined();
      await pools.put(ALICE, { id: 0, ...SPEC });
      const first = await generationOf(ALICE, 0);
      await pools.remove(ALICE, 0);
      await pools.put(ALICE, { id: 0, ...SPEC });
      expect(await generationOf(ALICE, 0)).toBeGreaterThan(first + 1);
      expect(await pools.counter("em1")).toBe(3);
    });

    test("an edge has 100 environments and no more, over all its users", async () => {
      const counted = 100 - puts;
      if (counted > 0) {
        const data = { counter: counted, environments: counted };
        await opened.store.transact([{ put: { ...keys.counter("em1"), data } }]);
      }
      for (let id = counted; id < 100; id++)
        expect(await pools.put(id % 2 ? ALICE : BOB, { id, ...SPEC })).toBe("created");
      expect(await pools.put(ALICE, { id: 500, ...SPEC })).toBe("full");
      expect(await pools.put(ALICE, { id: 99, ...SPEC })).toBe("replaced");
      await pools.remove(BOB, 98);
      expect(await pools.put(ALICE, { id: 500, ...SPEC })).toBe("created");
    });

    test("a user has no more than may be, also when calls meet; another's are not counted", async () => {
      await pools.put(BOB, { id: 9, ...SPEC });
      const processes = [pools, another(), another()];
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, id) => processes[id % 3]!.put(ALICE, { id, ...SPEC }, 3)),
      );
      expect(results.sort()).toEqual([...Array(3).fill("created"), ...Array(3).fill("user-full")]);
      const [first] = await pools.environments(ALICE);
      expect(await pools.put(ALICE, first!, 3)).toBe("replaced");
      expect(await pools.put(ALICE, { id: 50, ...SPEC })).toBe("created");
    });

    test("200 calls over several processes get exactly the 20 runners that were there", async () => {
      const ids = await filled(20);
      const processes = [pools, another(), another(), another()];
      const results = await Promise.all(
        Array.from({ length: 200 }, (_, n) => processes[n % 4]!.handOut(ALICE, 0, {})),
      );
      const handed = results.flatMap((result) => ("runner" in result ? [result.runner.id] : []));
      expect(handed.sort()).toEqual(ids.sort());
      expect(results.filter((result) => "refused" in result && result.refused === "empty")).toHaveLength(180);
    });

    test("a runner is handed out once, and counts as used until it is gone", async () => {
      await filled(1);
      expect(await pools.statistics(ALICE)).toEqual([
        { id: 0, prewarmingPoolSize: 2, idleRunners: 1, usedRunners: 0 },
      ]);
      const id = await take();
      expect(await take()).toBe("empty");
      expect(await pools.used("alice", id)).toMatchObject({ id, environment: 0, state: "used", edge: "em1" });
      expect(await pools.used("bob", id)).toBeUndefined();
      expect(await pools.statistics(ALICE)).toMatchObject([{ idleRunners: 0, usedRunners: 1 }]);
      expect(await pools.end("bob", id)).toBe(false);
      expect(await pools.whyGone("alice", id)).toBeUndefined();
      expect(await pools.end("alice", id)).toBe(true);
      expect(await pools.end("alice", id)).toBe(false);
      expect([await pools.whyGone("alice", id), await pools.whyGone("bob", id)]).toEqual([
        "deleted",
        undefined,
      ]);
      expect(await pools.used("alice", id)).toBeUndefined();
      expect(await pools.list("alice")).toMatchObject([{ id, state: "gone", end: "deleted" }]);
      now += 25 * 3600_000;
      expect(await pools.list("alice")).toEqual([]);
    });

    test("one that the ground ended does not come back when the edge still tells of it as idle", async () => {
      await filled(1);
      const id = await take();
      await pools.end("alice", id);
      expect((await edge.tell({ list: true })).list).toEqual([]);
      expect(await take()).toBe("empty");
      edge.has.delete(id);
      expect((await edge.tell()).list).toBeUndefined();
    });

    test("what was not changed costs no list; what was handed out is told with its age and timeout", async () => {
      await filled(1);
      expect((await edge.tell({ changed: [] })).list).toBeUndefined();
      const id = await take(0, { inactivityMs: 60_000 });
      now += 1500;
      expect((await edge.tell({ changed: [] })).list).toEqual([
        { id, state: "used", ageMs: 1500, inactivityMs: 60_000 },
      ]);
    });

    test("PUT and DELETE end all runners of an environment at once, and say why", async () => {
      await filled(2);
      const id = await take();
      await pools.put(ALICE, { id: 0, ...SPEC });
      expect(await pools.used("alice", id)).toBeUndefined();
      expect(await take()).toBe("empty");
      expect(await pools.statistics(ALICE)).toMatchObject([{ idleRunners: 0, usedRunners: 0 }]);
      expect(await pools.list("alice")).toMatchObject([{ id, state: "gone", end: "replaced" }]);
      expect((await edge.tell({ list: true })).list).toEqual([]);
      expect(await take()).toBe("empty");
      await pools.remove(ALICE, 0);
      expect(await pools.list("alice")).toMatchObject([{ id, state: "gone", end: "replaced" }]);
      edge.has.clear();
      await edge.tell({ list: true });
      expect(await pools.list("alice")).toMatchObject([{ id, state: "gone", end: "replaced" }]);
      expect(await take()).toBe("unknown");
    });

    test("a hand-out never races an older generation out", async () => {
      for (let round = 0; round < 5; round++) {
        await filled(3);
        const before = await generationOf(ALICE, 0);
        const [, ...handed] = await Promise.all([
          another().put(ALICE, { id: 0, ...SPEC }),
          ...Array.from({ length: 4 }, () => pools.handOut(ALICE, 0, {})),
        ]);
        expect(await generationOf(ALICE, 0)).toBeGreaterThan(before);
        for (const result of handed) {
          if ("runner" in result) expect(await pools.used("alice", result.runner.id)).toBeUndefined();
        }
        expect(await take()).toBe("empty");
      }
    });

    test("what the edge has no more is not handed out, and what was handed out is lost", async () => {
      const [first] = await filled(3);
      const id = await take();
      edge.has.clear();
      await edge.tell({ list: true });
      expect(await take()).toBe("empty");
      expect(await pools.list("alice")).toMatchObject([{ id, state: "gone", end: "lost" }]);
      expect(first).toBeDefined();
    });

    test("the edge tells why one ended", async () => {
      await filled(1);
      const id = await take();
      const { generation, user } = edge.has.get(id)!;
      edge.has.clear();
      await edge.tell({ changed: [{ id, user, generation, state: "gone", end: "oom" }] });
      expect(await pools.list("alice")).toMatchObject([{ id, state: "gone", end: "oom" }]);
      expect(await pools.end("alice", id)).toBe(false);
    });

    test("the edge gets an idle runner back when it asks before it is handed out, and not after", async () => {
      const [one, other] = (await filled(2)) as [string, string];
      const id = await take();
      const answer = await edge.tell({ withdraw: [one, other], list: true });
      expect(answer.list?.map((runner) => runner.id)).toEqual([id]);
      expect(await take()).toBe("empty");
    });

    test("inactivity: the ground ends it by itself 60 s after its timeout, counted from the last session", async () => {
      await filled(1);
      const id = await take(0, { inactivityMs: 10_000 });
      now += 60_000;
      await pools.touched("alice", id);
      now += 69_000;
      expect(await pools.used("alice", id)).toBeDefined();
      const usedRunners = async () => (await pools.statistics(ALICE))[0]?.usedRunners;
      expect(await usedRunners()).toBe(1);
      now += 2_000;
      // the edge has not said so
      expect(await usedRunners()).toBe(0);
      expect(await pools.used("alice", id)).toBeUndefined();
      expect(await pools.list("alice")).toMatchObject([{ id, state: "gone", end: "inactive" }]);
    });

    test("an edge that cannot, or is not in contact, hands nothing out", async () => {
      await filled(1);
      contact = false;
      expect(await take()).toBe("unreachable");
      features = ["lanes"];
      expect(await take()).toBe("unsupported");
      expect(await take(7)).toBe("unknown");
    });

    test("a call may wait, and gets what another process hears of", async () => {
      await filled(0);
      const waiting = pools.handOut(ALICE, 0, { waitMs: 20_000 });
      const other = new Edge(another());
      const id = other.idle("alice", 0, await generationOf(ALICE, 0));
      await other.tell();
      expect(await waiting).toMatchObject({ runner: { id } });
    });

    test("a pool of size 0 is asked for while a call waits, and no longer", async () => {
      await pools.put(ALICE, { id: 3, ...SPEC, prewarmingPoolSize: 0 });
      const stop = new AbortController();
      const waiting = pools.handOut(ALICE, 3, { signal: stop.signal });
      await expect
        .poll(async () => (await pools.exchange("em1", NONE)).demand)
        .toEqual([{ user: "alice", environment: 3, count: 1 }]);
      stop.abort();
      expect(await waiting).toEqual({ refused: "empty" });
      expect((await pools.exchange("em1", NONE)).demand).toEqual([]);
    });

    test("reasons of the edge come with the refusal, and go with it", async () => {
      await filled(0);
      const reasons = [{ user: "alice", environment: 0, reason: "the image python is not onboard" }];
      await pools.exchange("em1", { ...NONE, reasons });
      const refusal = { refused: "empty", reason: "the image python is not onboard" };
      expect(await pools.handOut(ALICE, 0, {})).toEqual(refusal);
      expect(await pools.pools(ALICE)).toMatchObject([{ id: 0, reason: refusal.reason }]);
      await pools.exchange("em1", { ...NONE, reasons: [] });
      expect(await pools.handOut(ALICE, 0, {})).toEqual({ refused: "empty" });
    });

    test("depleting pools of all owners", async () => {
      await filled(1);
      await pools.put(BOB, { id: 5, ...SPEC, prewarmingPoolSize: 0 });
      expect(await pools.depleting(0)).toEqual([]);
      expect(await pools.depleting(0.5)).toEqual([]);
      expect(await pools.depleting(0.6)).toEqual([{ owner: ALICE, id: 0 }]);
      expect((await pools.users()).sort()).toEqual(["alice", "bob"]);
      expect(await pools.idle()).toBe(1);
    });

    test("a comparison that is asked for is over when the edge has made it", async () => {
      await filled(0);
      const comparing = pools.compare(ALICE, 60_000);
      let asked: number | undefined;
      await expect.poll(async () => (asked = (await pools.exchange("em1", NONE)).compare)).toBeDefined();
      await pools.exchange("em1", { ...NONE, compared: asked! });
      await comparing;
      expect((await pools.exchange("em1", NONE)).compare).toBeUndefined();
    });

    test("what a removed user, or a revoked grant, had is gone", async () => {
      await filled(1);
      const id = await take();
      await pools.put(BOB, { id: 0, ...SPEC });
      await pools.removed("alice", "em1");
      expect(await pools.environments(ALICE)).toEqual([]);
      expect(await pools.used("alice", id)).toBeUndefined();
      await pools.removed("alice");
      expect(await pools.list("alice")).toEqual([]);
      expect(await pools.environments(BOB)).toHaveLength(1);
    });

    test("what another user of a removed one's name has stays", async () => {
      await filled(1);
      const id = await take();
      now += 1_000;
      const born = now;
      await pools.put(ALICE, { id: 1, ...SPEC });
      await edge.tell({ changed: [] });
      const other = edge.idle("alice", 1, await generationOf(ALICE, 1));
      await edge.tell();
      const handed = await pools.handOut(ALICE, 1, {});
      expect(handed).toMatchObject({ runner: { id: other } });
      await pools.removed("alice", undefined, born);
      expect((await pools.environments(ALICE)).map((one) => one.id)).toEqual([1]);
      expect(await pools.used("alice", id)).toBeUndefined();
      expect((await pools.list("alice")).map((one) => one.id)).toEqual([other]);
    });
  });
}

import { expect, test } from "vitest";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { keys } from "./records.ts";
import { StoredRunnerPools } from "./stored-runner-pools.ts";

const ALICE = { user: "alice", edge: "em1" };
const ID = "1-00000000-0000-4000-8000-000000000001";

async function pools(prewarmingPoolSize: number, now = Date.now) {
  const store = new MemoryTable().open();
  const opened = new StoredRunnerPools({
    store,
    doorbell: { ring: async () => {} },
    ledger: {
      inContact: async () => true,
      edgeAgent: async () => ({ version: "9", features: ["runners"] }),
    },
    edges: async () => ["em1"],
    now,
  });
  const spec = { image: "i", cpuLimit: 0, memoryLimit: 0, networkAccess: false, exposedPorts: null };
  await opened.put(ALICE, { id: 1, prewarmingPoolSize, ...spec });
  const idle = { user: "alice", id: ID, generation: 1, state: "idle" as const, since: 0, ports: [] };
  return { store, opened, idle };
}

test("a runner that was handed out before is handed out to nobody, and nobody looks for it without end", async () => {
  const { store, opened, idle } = await pools(1);
  await store.transact([
    { put: { ...keys.runner("em1", "alice", ID), data: idle } },
    { put: { ...keys.handedRunner("alice", ID), data: { end: "deleted" } } },
  ]);
  expect(await opened.handOut(ALICE, 1, {})).toMatchObject({ refused: "empty" });
});

test("a runner is not lost for a demand that cannot be removed", async () => {
  const { store, opened, idle } = await pools(0);
  const transact = store.transact.bind(store);
  store.transact = async (writes) => {
    const [first] = writes;
    if (first && "delete" in first && first.delete.pk === keys.demands("em1")) throw new Error("away");
    await transact(writes);
    if (first && "put" in first && first.put.pk === keys.demands("em1")) {
      await transact([{ put: { ...keys.runner("em1", "alice", ID), data: idle } }]);
    }
  };
  expect(await opened.handOut(ALICE, 1, {})).toMatchObject({ runner: { id: ID } });
});

test("calls that come at once share a listing, and fail no transaction of each other", async () => {
  const { store, opened, idle } = await pools(1);
  const ids = Array.from({ length: 20 }, (_, n) => `${ID.slice(0, -2)}${n + 10}`);
  for (const id of ids) {
    await store.transact([{ put: { ...keys.runner("em1", "alice", id), data: { ...idle, id } } }]);
  }
  const { transact, query } = store;
  const made = { transactions: 0, listings: 0 };
  store.transact = (writes) => {
    made.transactions += 1;
    return transact.call(store, writes);
  };
  store.query = ((asked) => {
    made.listings += 1;
    return query.call(store, asked);
  }) as typeof query;
  const results = await Promise.all(Array.from({ length: 200 }, () => opened.handOut(ALICE, 1, {})));
  const handed = results.flatMap((result) => ("runner" in result ? [result.runner.id] : []));
  expect(handed.sort()).toEqual(ids);
  expect(made).toEqual({ transactions: 20, listings: expect.toSatisfy((n) => n <= 3) });
});

test("a store that fails fails the calls that wait, and not those after them", async () => {
  const { store, opened, idle } = await pools(1);
  const { query } = store;
  store.query = async () => {
    throw new Error("away");
  };
  const results = await Promise.allSettled([1, 2, 3].map(() => opened.handOut(ALICE, 1, {})));
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  store.query = query;
  await store.transact([{ put: { ...keys.runner("em1", "alice", ID), data: idle } }]);
  expect(await opened.handOut(ALICE, 1, {})).toMatchObject({ runner: { id: ID } });
});

test("where the pool is of size 0 a call waits for 30 s and no longer", async () => {
  let clock = 1_000;
  const { store, opened } = await pools(0, () => clock);
  const settled: unknown[] = [];
  const call = opened.handOut(ALICE, 1, {}).then((result) => settled.push(result));
  const demands = async () => {
    const { pk, sk: prefix } = keys.demand("em1", "alice", 1, "");
    const items = await store.query<{ until: number }>({ pk, prefix, limit: 10 });
    return items.map(({ data }) => data.until);
  };
  await expect.poll(demands).toEqual([31_000]);
  clock += 29_999;
  // it looks a few times more
  const { get } = store;
  let looks = 0;
  store.get = ((key) => {
    looks += 1;
    return get.call(store, key);
  }) as typeof get;
  await expect.poll(() => looks, { timeout: 20_000 }).toBeGreaterThan(1);
  expect(settled).toEqual([]);
  clock += 1;
  await call;
  expect(settled).toEqual([{ refused: "empty" }]);
});

test("a comparison that no edge makes is waited for as long as was asked", async () => {
  let clock = 1_000;
  const { store, opened } = await pools(1, () => clock);
  let over = false;
  const compared = opened.compare(ALICE, 5_000).then(() => {
    over = true;
  });
  await expect.poll(() => store.get(keys.compare("em1"))).toBeDefined();
  clock += 4_999;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(over).toBe(false);
  clock += 1;
  await compared;
});

test("calls that wait are bounded for each user, and stop the pools of nobody", async () => {
  const { store, opened } = await pools(0);
  const until = Date.now() + 600_000;
  const demand = (user: string, n: number) => ({
    put: { ...keys.demand("em1", user, 1, `${n}`), data: { user, environment: 1, until } },
  });
  const users = Array.from({ length: 51 }, (_, n) => `u${n}`);
  for (const user of users) {
    for (let n = 0; n < 200; n += 20) {
      await store.transact(Array.from({ length: 20 }, (_, more) => demand(user, n + more)));
    }
  }
  const { demand: told } = await opened.exchange("em1", { digest: runnerDigest([]), changed: [] });
  expect(told).toHaveLength(50);
  for (let n = 0; n < 200; n += 20) {
    await store.transact(Array.from({ length: 20 }, (_, more) => demand("alice", n + more)));
  }
  expect(await opened.handOut(ALICE, 1, {})).toEqual({
    refused: "empty",
    reason: "200 calls of yours wait for a runner to be started",
  });
});

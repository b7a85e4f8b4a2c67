import { expect, test } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import { keys } from "./records.ts";
import { StoredRunnerPools } from "./stored-runner-pools.ts";

const ALICE = { user: "alice", edge: "em1" };
const ID = "1-00000000-0000-4000-8000-000000000001";

async function pools(prewarmingPoolSize: number) {
  const store = new MemoryTable().open();
  const opened = new StoredRunnerPools({
    store,
    doorbell: { ring: async () => {} },
    ledger: {
      inContact: async () => true,
      edgeAgent: async () => ({ version: "9", features: ["runners"] }),
    },
    edges: async () => ["em1"],
    now: Date.now,
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
    if (first && "delete" in first && first.delete.sk.startsWith("demand#")) throw new Error("away");
    await transact(writes);
    if (first && "put" in first && first.put.sk.startsWith("demand#")) {
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

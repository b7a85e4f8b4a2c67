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

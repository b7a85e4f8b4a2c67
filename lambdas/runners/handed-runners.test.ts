import { expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { HandedRunners } from "./handed-runners.ts";
import { type HandedRecord, keys } from "./records.ts";

test("a listing has every runner in use, and the newest that are gone, however many there were", async () => {
  const store = new MemoryTable().open();
  const now = 10_000_000_000;
  const add = async (n: number, over: Partial<HandedRecord>) => {
    const id = `1-00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    const data: HandedRecord = { edge: "em1", generation: 1, since: 1, activeAt: 1, ports: [], ...over };
    await store.transact([{ put: { ...keys.handedRunner("ada", id), data } }]);
    return id;
  };
  const spec = { image: "", prewarmingPoolSize: 0, cpuLimit: 0, memoryLimit: 0 };
  const environment = { user: "ada", id: 1, generation: 1, at: 1 };
  await store.transact([
    {
      put: {
        ...keys.environment("em1", "ada", 1),
        data: { ...environment, spec: { ...spec, networkAccess: false, exposedPorts: null } },
      },
    },
  ]);
  const gone = LIMITS.runnersGoneListed + 200;
  for (let n = 0; n < gone; n++) await add(n, { end: "deleted", endedAt: now - gone + n });
  const used = await add(999_999, {});
  const listed = await new HandedRunners(store, () => now).list("ada");
  expect(listed.filter(({ state }) => state === "used").map(({ id }) => id)).toEqual([used]);
  const ended = listed.filter(({ state }) => state === "gone").map(({ since }) => since);
  expect([ended.length, Math.min(...ended)]).toEqual([
    LIMITS.runnersGoneListed,
    now - LIMITS.runnersGoneListed,
  ]);
});

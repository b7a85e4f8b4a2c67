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

test("an end that follows from its environment is noted when it is first seen, and is kept for as long as any other", async () => {
  const store = new MemoryTable().open();
  let now = 10_000_000_000;
  const handed = new HandedRunners(store, () => now);
  const id = "1-00000000-0000-4000-8000-000000000001";
  const key = keys.handedRunner("ada", id);
  const data: HandedRecord = { edge: "em1", generation: 1, since: 1, activeAt: 1, ports: [] };
  await store.transact([{ put: { ...key, data } }]);
  const gone = [{ id, state: "gone", since: now, end: "deleted" }];
  expect(await handed.list("ada")).toMatchObject(gone);
  const noted = { data: { end: "deleted", endedAt: now }, expiresAt: now + LIMITS.runnerEndsMs };
  expect(await store.get(key)).toMatchObject(noted);
  now += LIMITS.runnerEndsMs;
  expect(await handed.list("ada")).toMatchObject(gone);
  expect([await handed.used("ada", id), await handed.whyGone("ada", id)]).toEqual([undefined, "deleted"]);
  expect(await store.get(key)).toMatchObject(noted);
  now += 1;
  expect(await handed.list("ada")).toEqual([]);
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { SqliteStore } from "../adapters/sqlite/store.ts";
import { OperatorAudit } from "./audit.ts";

let folder: string;
let store: SqliteStore;
let now = 1_700_000_000_000;
let audit: OperatorAudit;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perigee-audit-"));
  store = new SqliteStore(join(folder, "ledger.sqlite"));
  audit = new OperatorAudit(store, () => now);
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const note = (about: string) => audit.note({ who: "olga", by: "cli", verb: "user add", about: [about] });
const numbers = async (page: { before?: number; limit: number }) =>
  (await audit.page(page)).map(({ n }) => n);

test("those who act at once all stand there, each once", async () => {
  await Promise.all(["a", "b", "c", "d", "e"].map(note));
  const all = await audit.page({ limit: 10 });
  expect(all.map(({ n }) => n)).toEqual([4, 3, 2, 1, 0]);
  expect(all.flatMap(({ about }) => about).sort()).toEqual(["a", "b", "c", "d", "e"]);
});

test("none gives its place to a newer one, and pages go on to the oldest", async () => {
  const head = { pk: "operator-audit", sk: "head" };
  await note("the first of many");
  await store.transact([{ put: { ...head, data: { next: 99_998 } } }]);
  for (const about of ["a", "b", "c", "d"]) await note(about);
  expect(await numbers({ limit: 2 })).toEqual([100_001, 100_000]);
  expect(await numbers({ before: 100_000, limit: 10 })).toEqual([99_999, 99_998, 0]);
});

/** As versions before this one wrote it. */
const inSlot = (n: number) => {
  const sk = String(n % 10_000).padStart(5, "0");
  const data = { n, at: now, who: "olga", by: "cli", verb: "user add", about: [] };
  return store.transact([{ put: { pk: "operator-audit", sk, data } }]);
};
const setNext = (next: number) =>
  store.transact([{ put: { pk: "operator-audit", sk: "head", data: { next } } }]);

test("what an earlier version wrote comes after what is newer", async () => {
  for (const n of [0, 1, 2]) await inSlot(n);
  await setNext(3);
  expect(await numbers({ limit: 10 })).toEqual([2, 1, 0]);
  await note("the first of this version");
  expect(await numbers({ limit: 2 })).toEqual([3, 2]);
  expect(await numbers({ before: 3, limit: 2 })).toEqual([2, 1]);
  expect(await numbers({ before: 1, limit: 10 })).toEqual([0]);
});

test("so does what it wrote where its slots had begun anew", async () => {
  for (const n of [9998, 9999, 10_000, 10_001]) await inSlot(n);
  await setNext(10_002);
  await note("the first of this version");
  expect(await numbers({ limit: 4 })).toEqual([10_002, 10_001, 10_000, 9999]);
  expect(await numbers({ before: 10_000, limit: 10 })).toEqual([9999, 9998]);
});

test("what is over 90 days old goes, and is shown no more before it has gone", async () => {
  await note("a");
  now += LIMITS.historyMs;
  expect(await numbers({ limit: 10 })).toEqual([]);
  expect(await store.sweep(now + 1, 10)).toBe(1);
  await note("b");
  expect(await numbers({ limit: 10 })).toEqual([1]);
});

test("a text of any length is cut", async () => {
  await note("x".repeat(100_000));
  expect((await audit.page({ limit: 1 }))[0]!.about[0]).toHaveLength(200);
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { SqliteStore } from "../adapters/sqlite/store.ts";
import { AUDIT_ENTRIES, OperatorAudit } from "./audit.ts";

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

test("the oldest give their places to the newest, and pages go on where the places begin anew", async () => {
  const head = { pk: "operator-audit", sk: "head" };
  await store.transact([{ put: { ...head, data: { next: AUDIT_ENTRIES - 3 } } }]);
  for (const about of ["a", "b", "c", "d", "e", "f"]) await note(about);
  expect(await numbers({ limit: 5 })).toEqual([2, 1, 0, -1, -2].map((n) => AUDIT_ENTRIES + n));
  expect(await numbers({ before: AUDIT_ENTRIES + 1, limit: 2 })).toEqual([AUDIT_ENTRIES, AUDIT_ENTRIES - 1]);
  expect(await numbers({ before: AUDIT_ENTRIES - 1, limit: 10 })).toEqual([
    AUDIT_ENTRIES - 2,
    AUDIT_ENTRIES - 3,
  ]);
  const items = await store.query({ pk: "operator-audit", limit: 1000 });
  expect(items).toHaveLength(7);
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

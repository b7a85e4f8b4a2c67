import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import { OwnRecords } from "../../own-records.ts";
import { projectOf } from "../project.ts";
import { ACCESS_KEY } from "./access-key.ts";
import { AccessKeys, MOST_ACCESS_KEYS } from "./access-keys.ts";
import { SecretSeal } from "./sealed-secret.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const key = randomBytes(32);
const ada = projectOf({ name: "ada", uid: "uid-a" }, "em1");
const bob = projectOf({ name: "bob", uid: "uid-b" }, "em1");

function store(keys: Uint8Array[] = [key], table = new MemoryTable()) {
  const records = new OwnRecords(table.open(), "fpga");
  return { table, records, keys: new AccessKeys(records, new SecretSeal(keys)) };
}

describe("access keys", () => {
  it("are made, listed and found, and their secret can be read again", async () => {
    const { keys } = store();
    const made = await keys.create(ada, 1000);
    expect(made.accessKey).toMatch(ACCESS_KEY);
    expect(made.secret).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(await keys.list(ada.id)).toEqual([{ accessKey: made.accessKey, createdAt: 1000 }]);
    expect(await keys.list(bob.id)).toEqual([]);
    const record = await keys.find(made.accessKey);
    expect(record).toMatchObject({ user: "ada", uid: "uid-a", edge: "em1", project: ada.id });
    expect(JSON.stringify(record)).not.toContain(made.secret);
    expect(await keys.secretOf(made.accessKey, record!)).toBe(made.secret);
  });

  it("open under the previous key of the ground and no longer, for their own project and key alone", async () => {
    const { table, keys } = store();
    const made = await keys.create(ada, 0);
    const record = (await keys.find(made.accessKey))!;
    const next = randomBytes(32);
    expect(await store([next, key], table).keys.secretOf(made.accessKey, record)).toBe(made.secret);
    expect(await store([next], table).keys.secretOf(made.accessKey, record)).toBeUndefined();
    const other = await keys.create(bob, 0);
    expect(await keys.secretOf(other.accessKey, record)).toBeUndefined();
    expect(await keys.secretOf(made.accessKey, { ...record, project: bob.id })).toBeUndefined();
    for (const sealed of ["", "AAAA", `${record.sealed.slice(0, -2)}AA`]) {
      expect(await keys.secretOf(made.accessKey, { ...record, sealed })).toBeUndefined();
    }
  });

  it("open under a newer key that another process seals with, once the keys are read again", async () => {
    vi.spyOn(performance, "now").mockReturnValue(0);
    const [old, next] = [randomBytes(32), randomBytes(32)];
    let now: Uint8Array[] = [old];
    const table = new MemoryTable();
    const records = new OwnRecords(table.open(), "fpga");
    const keys = new AccessKeys(records, new SecretSeal(async () => now));
    const first = await keys.create(ada, 0);
    now = [next, old];
    const made = await store(now, table).keys.create(ada, 0);
    const record = (await keys.find(made.accessKey))!;
    expect(await keys.secretOf(made.accessKey, record)).toBeUndefined();
    // anybody can make that needed, so it is done seldom
    vi.spyOn(performance, "now").mockReturnValue(10_000);
    expect(await keys.secretOf(made.accessKey, record)).toBe(made.secret);
    const before = (await keys.find(first.accessKey))!;
    expect(await keys.secretOf(first.accessKey, before)).toBe(first.secret);
  });

  it("are five for each project, however many are made at once", async () => {
    const { keys } = store();
    const made = await Promise.allSettled(Array.from({ length: 9 }, () => keys.create(ada, 0)));
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(MOST_ACCESS_KEYS);
    for (const one of made) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "QUOTA_EXCEEDED" });
    }
    expect(await keys.list(ada.id)).toHaveLength(MOST_ACCESS_KEYS);
    await keys.create(bob, 0);
  });

  it("end when they are revoked, by their own project alone", async () => {
    const { keys } = store();
    const made = await keys.create(ada, 0);
    expect(await keys.revoke(bob.id, made.accessKey)).toBe(false);
    expect(await keys.find(made.accessKey)).toBeDefined();
    expect(await keys.revoke(ada.id, made.accessKey)).toBe(true);
    expect(await keys.find(made.accessKey)).toBeUndefined();
    expect(await keys.revoke(ada.id, made.accessKey)).toBe(false);
    const both = [await keys.create(ada, 0), await keys.create(ada, 0)];
    await keys.revokeAll(ada.id);
    await keys.revokeAll(ada.id);
    expect(await keys.list(ada.id)).toEqual([]);
    for (const { accessKey } of both) expect(await keys.find(accessKey)).toBeUndefined();
  });
});

describe("projects", () => {
  it("are of one account on one edge", () => {
    expect(ada.id).toMatch(/^[0-9a-f]{32}$/);
    expect(projectOf({ name: "ada", uid: "uid-a" }, "em2")).toMatchObject({
      domain: ada.domain,
      edge: "em2",
    });
    expect(projectOf({ name: "ada", uid: "uid-a" }, "em2").id).not.toBe(ada.id);
    expect(projectOf({ name: "ada", uid: "uid-c" }, "em1").id).not.toBe(ada.id);
  });
});

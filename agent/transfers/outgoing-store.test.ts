import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { OutgoingStore } from "./outgoing-store.ts";

const COMMAND = "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F";
const OTHER = "01KAH8ZJ5Q4W6T8Y0B2C4D6E8G";

let base: string;
let now: number;
let database: DatabaseSync;
const open = () => {
  database = new DatabaseSync(join(base, "agent.sqlite"));
  const store = new OutgoingStore(database, join(base, "outgoing"), () => now);
  store.sweep();
  return store;
};
const again = () => {
  database.close();
  return open();
};
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "perigee-outgoing-"));
  now = Date.UTC(2026, 10, 27);
});
afterEach(() => {
  database.close();
  rmSync(base, { recursive: true });
});

test("what is noted is found after a restart, under the same pin only", () => {
  const store = open();
  const begun = store.open(COMMAND, 0, "pin");
  expect(begun).toEqual({
    transfer: expect.stringMatching(/^t[0-9a-f]{24}$/),
    partBytes: 0,
    done: 0,
    crc: 0,
  });
  const far = { ...begun, partBytes: 8, done: 3, crc: 0xffff_ffff };
  store.note(COMMAND, 0, "pin", far);
  const later = again();
  expect(later.open(COMMAND, 0, "pin")).toEqual(far);
  expect(later.open(COMMAND, 1, "pin").transfer).not.toBe(far.transfer);
  expect(later.open(OTHER, 0, "pin").transfer).not.toBe(far.transfer);
  const anew = later.open(COMMAND, 0, "changed");
  expect(anew).toMatchObject({ partBytes: 0, done: 0, crc: 0 });
  expect(anew.transfer).not.toBe(far.transfer);
  expect(later.open(COMMAND, 0, "pin").transfer).not.toBe(far.transfer);
});

test("a gathered stream outlives a restart, and goes with its command", () => {
  const store = open();
  const path = store.pathOf(COMMAND, 0);
  writeFileSync(path, "content");
  const of = { size: 7, xxh64: 0xffff_ffff_ffff_ffffn };
  store.noteSpooled(COMMAND, 0, of);
  const later = again();
  expect(later.spooled(COMMAND, 0)).toEqual({ path, ...of });
  expect(later.spooled(COMMAND, 1)).toBeUndefined();
  later.open(COMMAND, 0, "pin");
  later.forget(COMMAND);
  expect(existsSync(path)).toBe(false);
  expect(later.spooled(COMMAND, 0)).toBeUndefined();
});

test("what was half written when the agent died, and what is too old, is swept; nothing else is", () => {
  mkdirSync(join(base, "outgoing"));
  const store = open();
  writeFileSync(store.pathOf(COMMAND, 0), "half");
  writeFileSync(store.pathOf(OTHER, 0), "whole");
  store.noteSpooled(OTHER, 0, { size: 5, xxh64: 1n });
  writeFileSync(join(base, "outgoing/of-somebody"), "else");
  const later = again();
  expect(readdirSync(later.directory).toSorted()).toEqual([`${OTHER}.0`, "of-somebody"]);
  now += LIMITS.transferMs + 1;
  expect(readdirSync(again().directory)).toEqual(["of-somebody"]);
});

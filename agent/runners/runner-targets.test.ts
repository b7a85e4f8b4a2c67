import { DatabaseSync } from "node:sqlite";
import { expect, test, vi } from "vitest";
import { RunnerBook } from "./runner-book.ts";
import type { RunnerRecord } from "./runner-record.ts";
import { RunnerStore } from "./runner-store.ts";
import { RunnerTargets } from "./runner-targets.ts";

const ID = "0-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0f";

function started() {
  const store = new RunnerStore(new DatabaseSync(":memory:"));
  const book = new RunnerBook(store);
  const record: RunnerRecord = {
    id: ID,
    user: "ada",
    generation: 1,
    state: "idle",
    image: "runner",
    ports: [],
  };
  book.add(record);
  const targets = new RunnerTargets({ book, changed() {}, now: () => 7 });
  return {
    store,
    book,
    record,
    open: (kind: "exec" | "list" | "write") => targets.open("ada", { runner: ID }, kind),
  };
}

test("a runner is busy for as long as an execution is open there, and not by its files", () => {
  const { record, open } = started();
  const files = open("write");
  expect(record).toMatchObject({ state: "used", activeAt: 7 });
  expect(record.busy).toBeUndefined();
  const [first, second] = [open("exec"), open("exec")];
  expect(record.busy).toBe(true);
  first.release();
  first.release();
  files.release();
  expect(record.busy).toBe(true);
  second.release();
  expect(record.busy).toBe(false);
});

test("the disk is waited for when a runner becomes used and when it becomes busy, and for no other session", () => {
  const { store, record, open } = started();
  const stored = () => store.load()[0];
  const soon = vi.spyOn(store, "saveSoon");
  const all = vi.spyOn(store, "save");
  const durable = () => all.mock.calls.length - soon.mock.calls.length;
  const files = open("list");
  expect(durable()).toBe(1);
  files.release();
  const first = open("exec");
  expect(durable()).toBe(2);
  for (let n = 0; n < 10; n++) open("exec").release();
  open("write").release();
  first.release();
  expect(durable()).toBe(2);
  expect(stored()).toEqual(record);
  open("exec");
  expect(durable()).toBe(3);
});

test("one that is ending tells its sessions why, and is not used; nobody hears of one that never was idle", () => {
  for (const [why, end] of [
    ["deleted", { type: "error", code: "STOPPED" }],
    ["inactive", { type: "timeout" }],
  ] as const) {
    const { book, record, open } = started();
    book.end(record, why);
    const { ended, release } = open("exec");
    expect([ended.aborted, ended.reason]).toEqual([true, expect.objectContaining(end)]);
    release();
    expect(record).toMatchObject({ state: "ending", end: why });
    expect([record.busy, record.activeAt]).toEqual([undefined, undefined]);
    book.forget(record);
    expect(() => open("exec")).toThrow("no such runner");
  }
  const { book, record, open } = started();
  Object.assign(record, { state: "starting" });
  expect(() => open("exec")).toThrow("no such runner");
  book.end(record, "lost");
  expect(() => open("exec")).toThrow("no such runner");
});

test("only what was asked for is told as a stop", () => {
  for (const [why, end] of [
    ["deleted", { type: "error", code: "STOPPED" }],
    ["replaced", { type: "error", code: "STOPPED" }],
    ["oom", { type: "error", code: "OOM_KILLED" }],
    ["inactive", { type: "timeout" }],
    ["evicted", { type: "error", code: "GONE" }],
    ["unstoppable", { type: "error", code: "GONE" }],
    ["exited", { type: "error", code: "GONE" }],
    ["lost", { type: "error", code: "GONE" }],
  ] as const) {
    const { book, record, open } = started();
    const { ended } = open("exec");
    book.end(record, why);
    expect([why, ended.reason]).toEqual([why, expect.objectContaining(end)]);
  }
});

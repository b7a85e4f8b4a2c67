import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { AheadStore } from "./ahead-store.ts";
import { BLOCK } from "./kept-ahead.ts";

const of = { size: 9 * BLOCK, ahead: 4 * BLOCK };
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ahead-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("what is kept of one command goes with it, and by object", async () => {
  const store = new AheadStore({ directory, room: () => Number.POSITIVE_INFINITY });
  for (const command of ["a", "b"]) {
    for (const n of [0, 1]) {
      const kept = await store.open(command, n, of);
      await kept!.keeping(BLOCK)(Buffer.alloc(BLOCK));
      await kept!.close();
    }
  }
  store.discard("a", 0);
  expect([store.has("a", 0), store.has("a", 1)]).toEqual([false, true]);
  store.forget("a");
  store.forget("never");
  expect(readdirSync(directory)).toEqual(["b"]);
});

test("without room nothing new is kept, and what is there is gone on with", async () => {
  let room = 0;
  const store = new AheadStore({ directory, room: () => room });
  expect(await store.open("a", 0, of)).toBeUndefined();
  room = 2 * of.ahead;
  const kept = await store.open("a", 0, of);
  await kept!.keeping(BLOCK)(Buffer.alloc(BLOCK));
  await kept!.close();
  room = 0;
  expect(await store.open("a", 0, of)).toBeDefined();
});

test("what is too old is swept, and the directory is made", () => {
  let now = Date.now();
  const store = new AheadStore({ directory: join(directory, "new"), room: () => 0, now: () => now });
  store.sweep();
  mkdirSync(join(directory, "new/a"));
  writeFileSync(join(directory, "new/a/0"), "");
  store.sweep();
  expect(store.has("a", 0)).toBe(true);
  now += LIMITS.transferMs + 60_000;
  store.sweep();
  expect(readdirSync(join(directory, "new"))).toEqual([]);
});

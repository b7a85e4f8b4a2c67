import { mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { xxh64 } from "@node-rs/xxhash";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { watchMemory } from "../../bench/resident-memory.ts";
import { watchReads } from "./support/process-io.ts";
import { type BoundsStack, startBoundsStack } from "./support/stack.ts";

const DIRECTORIES = 100;
const FILES = 1000;
const BYTES = 2000;
/** What is read of all of them, and what a listing may read that reads none: its own answer, some few times. */
const CONTENT = DIRECTORIES * FILES * BYTES;
/** Long names make a long answer: a ground that held it whole would be seen to. */
const LONG_NAME = "n".repeat(150);
const LONG = 540_000;

let stack: BoundsStack;

beforeAll(async () => {
  stack = await startBoundsStack();
});
afterAll(() => stack?.stop());

const keyOf = (d: number, f: number) => `${d}-${f}`;
const nameOf = (d: number, f: number) => `d${d}/${keyOf(d, f)}-${LONG_NAME}`;
const contentOf = (d: number, f: number) => Buffer.alloc(BYTES, `${d}/${f};`);

describe("a volume of 100,000 files", () => {
  beforeAll(async () => {
    // the volume is made by the agent, its files as a pod would
    await stack.client.uplink({ first: "first" }, { pod_name: "many" });
    const volume = stack.volume("many");
    for (let d = 0; d < DIRECTORIES; d++) {
      mkdirSync(join(volume, `d${d}`));
      for (let f = 0; f < FILES; f++) writeFileSync(join(volume, nameOf(d, f)), contentOf(d, f));
    }
    // hashes are kept of files that were still for two seconds
    const last = statSync(join(volume, nameOf(DIRECTORIES - 1, FILES - 1))).ctimeMs;
    while (Date.now() - last < 2100) await pause(100);
  }, LONG);

  /** One listing, and what it cost. */
  const list = async () => {
    const reads = watchReads(stack.agent);
    const ground = watchMemory(stack.ground);
    const answer = await stack.client.get("/em/files/list", { pod_name: "many" });
    expect(answer.status).toBe(200);
    const cost = { reads: reads(), growth: ground() };
    return { answer, hashes: hashesOf(answer.text), ...cost };
  };

  test("is listed whole, and again without reading what has not changed", { timeout: LONG }, async () => {
    const first = await list();
    expect(first.hashes.size).toBe(DIRECTORIES * FILES);
    for (const [d, f] of [
      [0, 0],
      [57, 333],
      [DIRECTORIES - 1, FILES - 1],
    ] as const) {
      expect(first.hashes.get(keyOf(d, f))).toBe(BigInt.asIntN(64, xxh64(contentOf(d, f))));
    }
    expect(first.reads.bytes).toBeGreaterThan(CONTENT);
    expect(first.answer.header("content-length")).toBe(String(first.answer.bytes.length));
    expect(first.answer.text).not.toContain('"truncated"');
    expect(stack.staged()).toEqual([]);

    const second = await list();
    expect(second.answer.text).toBe(first.answer.text);
    expect(second.reads.bytes).toBeLessThan(CONTENT / 10);

    // same length, and the time put back: only the file itself tells
    const changed = join(stack.volume("many"), nameOf(57, 333));
    const { atime, mtime } = statSync(changed);
    const content = Buffer.alloc(BYTES, "other");
    writeFileSync(changed, content);
    utimesSync(changed, atime, mtime);
    const third = await list();
    // it passes through: once the ground is warm, its memory does not follow the answer's length
    expect(first.answer.bytes.length).toBeGreaterThan(20 * MiB);
    const fourth = await list();
    const growth = Math.min(second.growth, third.growth, fourth.growth);
    expect(growth).toBeLessThan(first.answer.bytes.length);
    expect(third.reads.bytes).toBeLessThan(CONTENT / 10);
    const different = [...third.hashes].filter(([name, hash]) => hash !== first.hashes.get(name));
    expect(different).toEqual([[keyOf(57, 333), BigInt.asIntN(64, xxh64(content))]]);
  });
});

test(`directories more than ${LIMITS.listDepth} deep: the listing says that it stopped`, async () => {
  await stack.client.uplink({ a: "a" }, { pod_name: "deep", dest_path: path(LIMITS.listDepth - 1) });
  const within = await stack.client.get("/em/files/list", { pod_name: "deep" });
  expect(within.status).toBe(200);
  expect(within.text).not.toContain('"truncated"');
  mkdirSync(join(stack.volume("deep"), path(LIMITS.listDepth + 1)), { recursive: true });
  const over = await stack.client.get("/em/files/list", { pod_name: "deep" });
  expect(over.json).toMatchObject({ message: "Successfully listed files", truncated: true });
});

/** Hashes by key, exact: JSON.parse would round them. */
function hashesOf(text: string): Map<string, bigint> {
  const entry = /"name":"(\d+-\d+)-n+","size":"\d+","time":"[^"]*","hash":(-?\d+)/g;
  return new Map([...text.matchAll(entry)].map(([, key, hash]) => [key!, BigInt(hash!)]));
}

const path = (depth: number) => Array(depth).fill("d").join("/");

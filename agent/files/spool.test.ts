import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { openSpooled, spool } from "./spool.ts";

const whole = { maxBytes: 64 * MiB, signal: new AbortController().signal };
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-spool-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("it is read as often as one likes, also after a reader that stopped half way", async () => {
  const content = randomBytes(5 * MiB + 1);
  const place = { directory, room: () => 64 * MiB };
  using spooled = await spool(Readable.from([content]), place, whole);
  expect(spooled.size).toBe(content.length);
  const cut = spooled.read(0, content.length);
  await new Promise((resolve) => cut.once("data", resolve));
  const closed = new Promise((resolve) => cut.once("close", resolve));
  cut.destroy();
  await closed;
  for (const start of [0, 0, 1, MiB + 3]) {
    const rest = await buffer(spooled.read(start, content.length - start));
    expect(rest.equals(content.subarray(start))).toBe(true);
  }
  expect(readdirSync(directory)).toEqual([]);
});

test("in a file of its own it outlives the process, and has the same pin", async () => {
  const content = randomBytes(5 * MiB + 1);
  const path = join(directory, "named");
  const place = { directory, room: () => 64 * MiB };
  let of: { size: number; xxh64: bigint; pin: string };
  {
    using spooled = await spool(Readable.from([content]), place, { ...whole, path });
    expect(spooled.inFile).toBe(true);
    of = { size: spooled.size, xxh64: spooled.xxh64, pin: spooled.pin };
  }
  using again = await openSpooled(path, of, whole.signal);
  expect(again!.pin).toBe(of.pin);
  expect((await buffer(again!.read(7, 100))).equals(content.subarray(7, 107))).toBe(true);
  rmSync(path);
  expect(await openSpooled(path, of, whole.signal)).toBeUndefined();
});

test("what a power cut has left of it is not taken for it", async () => {
  const content = randomBytes(3 * MiB);
  const path = join(directory, "named");
  const place = { directory, room: () => 64 * MiB };
  using spooled = await spool(Readable.from([content]), place, { ...whole, path });
  // the length is there, and not all of the bytes
  writeFileSync(path, Buffer.concat([content.subarray(0, 2 * MiB), Buffer.alloc(1 * MiB)]));
  expect(await openSpooled(path, spooled, whole.signal)).toBeUndefined();
  truncateSync(path, 2 * MiB);
  expect(await openSpooled(path, spooled, whole.signal)).toBeUndefined();
  writeFileSync(path, content);
  using again = await openSpooled(path, spooled, whole.signal);
  expect(again!.pin).toBe(spooled.pin);
});

test("what is small stays in memory, and has the pin that it would have in a file", async () => {
  const place = { directory, room: () => 0 };
  const signal = new AbortController().signal;
  for (const content of [Buffer.alloc(0), randomBytes(1000)]) {
    using spooled = await spool(Readable.from([content]), place, { maxBytes: 1000, signal });
    expect(spooled.inFile).toBe(false);
    expect((await buffer(spooled.read(0, content.length))).equals(content)).toBe(true);
  }
  const over = spool(Readable.from([randomBytes(1001)]), place, { maxBytes: 1000, signal });
  await expect(over).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
});

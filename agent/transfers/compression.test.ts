import { randomBytes } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { Compression } from "./compression.ts";

const text = Buffer.from("2026-05-22T20:41:00Z a line of a log\n".repeat(2000));
const noise = randomBytes(64 * 1024);

test("what gets smaller is compressed, and how much is known", async () => {
  const compression = new Compression();
  expect(compression.ratio).toBe(1);
  const made = await compression.of(text);
  expect(zstdDecompressSync(made!).equals(text)).toBe(true);
  expect(compression.ratio).toBe(made!.length / text.length);
});

test("what does not goes as it is, and is tried again after a while only", async () => {
  const compression = new Compression();
  expect(await compression.of(noise)).toBeUndefined();
  expect(compression.ratio).toBe(1);
  let asItIs = 0;
  while ((await compression.of(text)) === undefined) asItIs++;
  expect(asItIs).toBe(16);
});

test("nothing at all, and single bytes, go as they are", async () => {
  for (const piece of [Buffer.alloc(0), Buffer.from("a")]) {
    expect(await new Compression().of(piece)).toBeUndefined();
  }
});

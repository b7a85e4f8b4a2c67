import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { spool } from "./spool.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-spool-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("it is read as often as one likes, also after a reader that stopped half way", async () => {
  const content = randomBytes(5 * MiB + 1);
  const place = { directory, room: () => 64 * MiB };
  await using spooled = await spool(Readable.from([content]), place, new AbortController().signal);
  expect(spooled.size).toBe(content.length);
  const cut = spooled.read();
  await new Promise((resolve) => cut.once("data", resolve));
  const closed = new Promise((resolve) => cut.once("close", resolve));
  cut.destroy();
  await closed;
  for (let i = 0; i < 2; i++) expect((await buffer(spooled.read())).equals(content)).toBe(true);
  expect(readdirSync(directory)).toEqual([]);
});

import { randomBytes } from "node:crypto";
import { PassThrough } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { KiB } from "#protocol/limits.ts";
import { ZSTD_IN_BLOCKS } from "#protocol/link-encoding.ts";
import { decoded } from "./decoded.ts";

const CONTENT = Buffer.from(randomBytes(32 * KiB).map((byte) => 97 + (byte % 8)));

test("of a body that is cut its whole blocks come before the error", async () => {
  const made = zstdCompressSync(CONTENT, { params: ZSTD_IN_BLOCKS });
  const body = new PassThrough();
  const come: Buffer[] = [];
  const reading = (async () => {
    for await (const chunk of decoded(body)) come.push(chunk as Buffer);
  })();
  reading.catch(() => undefined);
  body.write(made.subarray(0, made.length * 0.75));
  while (come.length === 0) await setImmediate();
  body.destroy(new Error("cut"));
  await expect(reading).rejects.toThrow("cut");
  const bytes = Buffer.concat(come);
  expect(bytes.length).toBeLessThan(CONTENT.length);
  expect(bytes.equals(CONTENT.subarray(0, bytes.length))).toBe(true);
});

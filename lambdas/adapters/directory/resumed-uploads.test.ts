import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import { crc32, type ZstdDecompress, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { restOf } from "#protocol/byte-range.ts";
import { KiB } from "#protocol/limits.ts";
import { LINK_ENCODING, ZSTD_IN_BLOCKS } from "#protocol/link-encoding.ts";
import { servedDirectoryStaging } from "#test/support/served-directory-staging.ts";
import { Crc32Hash } from "../crc32-hash.ts";
import { decodedBody } from "./decoded-body.ts";
import { KeptBeginnings } from "./kept-beginnings.ts";

const SIZE = 64 * KiB;
const SENT = 20 * KiB;
const ZSTD = { [LINK_ENCODING.header]: LINK_ENCODING.zstd };

let served: Awaited<ReturnType<typeof servedDirectoryStaging>>;
beforeAll(async () => {
  served = await servedDirectoryStaging();
});
afterAll(() => served.close());

let content: Buffer;
let key: string;
let number = 0;
beforeEach(() => {
  content = randomBytes(SIZE);
  key = `downlink/ann/_/c/t${number++}.0`;
});

const declared = () => ({ size: SIZE, crc32: crc32(content).toString(16).padStart(8, "0") });
const sign = () => served.staging.parts.signResumed(key, declared(), 60);
const stored = async () => buffer((await served.staging.get(key)).body);

/** A PUT of which `first` has come, and no more. */
async function begin(first: Buffer, from = 0) {
  const body = new PassThrough();
  body.write(first);
  const target = { key, part: { number: 0, ...declared() }, kept: true };
  return { body, written: served.staging.parts.write(target, body, { from }) };
}

/** A PUT that is cut when `first` has come. */
async function cut(first: Buffer, from?: number): Promise<void> {
  const { body, written } = await begin(first, from);
  written.catch(() => undefined);
  while (body.readableLength > 0) await setImmediate();
  body.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
  await expect(written).rejects.toThrow("aborted");
}

/** The rest from `from` on, as an agent sends it. */
async function rest(from: number, body: Buffer, headers: Record<string, string> = {}): Promise<string> {
  const { url } = await sign();
  const answer = await served.fetchSigned(url, {
    method: "PUT",
    body: new Uint8Array(body),
    headers: { ...headers, "content-range": restOf(from, SIZE) },
  });
  return answer.ok ? "taken" : ((await answer.json()) as { error: string }).error;
}

const kept = async () => (await sign()).from ?? 0;

describe("an object whose sending was cut", () => {
  test("goes on at its byte, however often", async () => {
    await cut(content.subarray(0, SENT));
    expect(await kept()).toBe(SENT);
    await cut(content.subarray(SENT, 2 * SENT), SENT);
    expect(await kept()).toBe(2 * SENT);
    expect(await rest(2 * SENT, content.subarray(2 * SENT))).toBe("taken");
    expect((await stored()).equals(content)).toBe(true);
    expect(await kept()).toBe(0);
  });

  test("and of which nobody knows yet that it was, is ended by who asks again", async () => {
    const { body, written } = await begin(content.subarray(0, SENT));
    const ended = expect(written).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
    while (body.readableLength > 0) await setImmediate();
    expect(await kept()).toBe(SENT);
    await ended;
    expect(body.destroyed).toBe(false);
    expect(await rest(SENT, content.subarray(SENT))).toBe("taken");
    expect((await stored()).equals(content)).toBe(true);
  });

  test("compressed: the blocks that came count", async () => {
    const letters = randomBytes(SIZE).map((byte) => 97 + (byte % 4));
    content = Buffer.from(letters);
    const made = zstdCompressSync(content, { params: ZSTD_IN_BLOCKS });
    const sent = new PassThrough();
    const target = { key, part: { number: 0, ...declared() }, kept: true };
    const decoded = decodedBody(sent) as ZstdDecompress;
    const written = served.staging.parts.write(target, decoded);
    written.catch(() => undefined);
    const come = made.subarray(0, made.length * 0.75);
    sent.write(come);
    while (decoded.bytesWritten < come.length || decoded.readableLength > 0) await setImmediate();
    sent.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    await expect(written).rejects.toThrow("aborted");
    const from = await kept();
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThan(SIZE);
    expect(await rest(from, zstdCompressSync(content.subarray(from)), ZSTD)).toBe("taken");
    expect((await stored()).equals(content)).toBe(true);
  });

  test("goes on nowhere else, and may come whole", async () => {
    await cut(content.subarray(0, SENT));
    const from = await kept();
    for (const other of [from - 1, from + 1]) {
      expect(await rest(other, content.subarray(other))).toBe("RANGE_NOT_SATISFIABLE");
    }
    expect((await sign()).from).toBe(from);
    expect(await rest(0, content)).toBe("taken");
    expect((await stored()).equals(content)).toBe(true);
    expect((await sign()).from).toBeUndefined();
  });

  test("with other bytes is refused at its end, and begins anew", async () => {
    const other = Buffer.from(content.subarray(0, SENT));
    other[7]! ^= 1;
    await cut(other);
    const from = await kept();
    expect(await rest(from, content.subarray(from))).toBe("CHECKSUM_MISMATCH");
    expect(await served.staging.head(key)).toBeUndefined();
    expect((await sign()).from).toBeUndefined();
    expect(await rest(0, content)).toBe("taken");
  });

  test.each(["bytes 5-6/7", "bytes x-1/2", `bytes 5-${SIZE - 1}/*`, "5"])(
    "goes on by no %j",
    async (range) => {
      const { url } = await sign();
      const options = { method: "PUT", body: new Uint8Array(SIZE - 5), headers: { "content-range": range } };
      expect((await served.fetchSigned(url, options)).status).toBe(416);
    },
  );

  test("is forgotten with its level", async () => {
    await cut(content.subarray(0, SENT));
    expect(await kept()).toBe(SENT);
    await served.staging.deletePrefix("downlink/ann/_/c/");
    expect((await sign()).from).toBeUndefined();
  });

  test("is forgotten, too, when its level goes while it still seems to come", async () => {
    const { body, written } = await begin(content.subarray(0, SENT));
    const ended = expect(written).rejects.toMatchObject({ code: "UPLINK_NOT_FOUND" });
    while (body.readableLength > 0) await setImmediate();
    await served.staging.deletePrefix("downlink/ann/_/c/");
    await ended;
    expect(await kept()).toBe(0);
  });

  test("is kept only where its URL says so", async () => {
    const { url } = await served.staging.parts.signWhole(key, declared(), 60);
    const forged = await served.fetchSigned(`${url}&kept=1`, {
      method: "PUT",
      body: new Uint8Array(content),
    });
    expect(forged.status).toBe(403);
    // what says so stands next to the time in what is signed
    const resumed = new URL((await sign()).url, "http://x");
    const { searchParams } = resumed;
    searchParams.delete("kept");
    searchParams.set("expires", `kept\n${searchParams.get("expires")}`);
    const moved = await served.fetchSigned(`${resumed.pathname}${resumed.search}`, {
      method: "PUT",
      body: new Uint8Array(content),
    });
    expect(moved.status).toBe(403);
    const answer = await served.fetchSigned(url, {
      method: "PUT",
      body: new Uint8Array(SIZE - 5),
      headers: { "content-range": restOf(5, SIZE) },
    });
    expect(answer.status).toBe(416);
  });
});

test("of too many beginnings the oldest go, with their files", async () => {
  const directory = mkdtempSync(join(tmpdir(), "perigee-kept-"));
  const beginnings = new KeptBeginnings(2 * 64 * KiB);
  for (const name of ["a", "b", "c"]) {
    const file = join(directory, name);
    writeFileSync(file, "four");
    await beginnings.keep(name, `k/${name}`, { file, bytes: 4, hash: new Crc32Hash() });
  }
  expect(readdirSync(directory)).toEqual(["b", "c"]);
  expect(beginnings.take("a", 4)).toBeUndefined();
  expect(beginnings.take("b", 3)).toBeUndefined();
  expect(beginnings.take("b", 4)).toMatchObject({ bytes: 4 });
  await beginnings.dropPrefix("k/");
  expect(readdirSync(directory)).toEqual(["b"]);
  rmSync(directory, { recursive: true });
});

test("what nobody has asked for in a day goes when the next is kept", async () => {
  const directory = mkdtempSync(join(tmpdir(), "perigee-kept-"));
  let now = 0;
  const beginnings = new KeptBeginnings(1024 * KiB, () => now);
  for (const name of ["a", "b"]) {
    const file = join(directory, name);
    writeFileSync(file, "four");
    await beginnings.keep(name, name, { file, bytes: 4, hash: new Crc32Hash() });
    now += 24 * 3600_000;
  }
  expect(readdirSync(directory)).toEqual(["b"]);
  rmSync(directory, { recursive: true });
});

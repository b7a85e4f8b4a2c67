import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KiB, MiB } from "#protocol/limits.ts";
import { LINK_ENCODING } from "#protocol/link-encoding.ts";
import { DirectoryStaging } from "./staging.ts";
import { stagingRoutes } from "./staging-routes.ts";

const KEY = "downlink/ann/_/01KAH8ZJ5Q4W6T8Y0B2C4D6E8F/t0.0";
const TEXT = Buffer.from("a line of a log\n".repeat(4096));

let directory: string;
let staging: DirectoryStaging;
let app: ReturnType<typeof stagingRoutes>;
const failures: unknown[] = [];
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-compressed-"));
  staging = await DirectoryStaging.open(directory, { secret: randomBytes(32), freeFloorBytes: 0 });
  app = stagingRoutes(staging, { onError: (error) => failures.push(error) });
});
afterAll(() => {
  rmSync(directory, { recursive: true });
  expect(failures).toEqual([]);
});

/** PUTs `body` where `content` is to go. */
async function put(content: Buffer, body: Buffer) {
  const part = { size: content.length, crc32: crc32(content).toString(16).padStart(8, "0") };
  const { url } = await staging.parts.signWhole(KEY, part, 60);
  const headers = { [LINK_ENCODING.header]: LINK_ENCODING.zstd, "content-length": String(body.length) };
  const answer = await app.request(url, { method: "PUT", body: new Uint8Array(body), headers });
  return { status: answer.status, ...((await answer.json()) as { error?: string; size?: number }) };
}
const stored = async () => (await staging.head(KEY)) && buffer((await staging.get(KEY)).body);

test("what is stored is what the compressed body stands for", async () => {
  expect(await put(TEXT, zstdCompressSync(TEXT))).toMatchObject({ status: 200, size: TEXT.length });
  expect((await stored())?.equals(TEXT)).toBe(true);
});

describe("a hostile body changes nothing", () => {
  test.each([
    ["of other content", zstdCompressSync(Buffer.alloc(TEXT.length)), "CHECKSUM_MISMATCH"],
    ["of too much", zstdCompressSync(Buffer.alloc(256 * MiB)), "SIZE_MISMATCH"],
    ["of too little", zstdCompressSync(TEXT.subarray(1)), "SIZE_MISMATCH"],
    ["that is cut", zstdCompressSync(TEXT).subarray(0, 20), "CHECKSUM_MISMATCH"],
    ["that is not zstd", Buffer.alloc(1 * KiB, "no"), "CHECKSUM_MISMATCH"],
    ["that is longer than what it stands for", Buffer.alloc(TEXT.length + 1), "SIZE_MISMATCH"],
    ["that wants much memory", withWindow(30), "CHECKSUM_MISMATCH"],
    ["that is empty", Buffer.alloc(0), "CHECKSUM_MISMATCH"],
  ])("%s", async (_what, body, error) => {
    await put(TEXT, zstdCompressSync(TEXT));
    expect(await put(TEXT, body)).toMatchObject({ error });
    expect((await stored())?.equals(TEXT)).toBe(true);
  });
});

/** A frame whose head asks for a window of 2^log bytes. */
function withWindow(log: number): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3]);
  return Buffer.concat([head, Buffer.from([0x01, 0x00, 0x00])]);
}

describe("a range is compressed for who takes that", () => {
  const get = async (headers: Record<string, string>) => {
    const answer = await app.request(await staging.signGet(KEY, 60), { headers });
    return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const accept = { [LINK_ENCODING.accept]: LINK_ENCODING.zstd };

  test("where it pays", async () => {
    await put(TEXT, zstdCompressSync(TEXT));
    const { answer, bytes } = await get({ ...accept, range: "bytes=16-1039" });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe(`bytes 16-1039/${TEXT.length}`);
    expect(answer.headers.get(LINK_ENCODING.header)).toBe(LINK_ENCODING.zstd);
    expect(zstdDecompressSync(bytes).equals(TEXT.subarray(16, 1040))).toBe(true);
  });

  test.each<[what: string, content: Buffer, headers: Record<string, string>]>([
    ["what zstd does not make smaller", randomBytes(1 * KiB), { ...accept, range: "bytes=0-1023" }],
    ["of more than is held in memory", Buffer.alloc(1 * MiB), { ...accept, range: "bytes=0-1048575" }],
    ["for who does not ask", Buffer.alloc(1 * KiB), { range: "bytes=0-1023" }],
    ["all of it", Buffer.alloc(1 * KiB), accept],
  ])("not %s", async (_what, content, headers) => {
    await staging.put(KEY, content, { maxBytes: content.length });
    const { answer, bytes } = await get(headers);
    expect(answer.headers.has(LINK_ENCODING.header)).toBe(false);
    expect(bytes.equals(content)).toBe(true);
  });
});

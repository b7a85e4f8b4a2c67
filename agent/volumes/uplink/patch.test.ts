import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { zstdCompressSync } from "node:zlib";
import { xxh64 } from "@node-rs/xxhash";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pack } from "#cli/delta/pack.ts";
import { readChunkList } from "#protocol/chunking/chunk-list.ts";
import { CHUNK, CHUNKER } from "#protocol/chunking/chunker.ts";
import { type DeltaPiece, deltaTail } from "#protocol/chunking/delta.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { ShuttingDown } from "../../operation.ts";
import { assertBase } from "./rebuild.ts";
import { unpack } from "./unpack.ts";

let world: VolumeWorld;
const OLD = randomBytes(50_000);
beforeEach(() => {
  world = new VolumeWorld().make();
  fs.writeFileSync(`${world.volume}/f`, OLD);
});
afterEach(() => world[Symbol.asyncDispose]());

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const kept = (at: number, bytes: number): DeltaPiece => ({ at, bytes });
const fresh = (bytes: Buffer): DeltaPiece => ({ bytes: bytes.length });
const NEW = Buffer.from("new in the middle");
const WANTED = Buffer.concat([OLD.subarray(0, 20_000), NEW, OLD.subarray(30_000)]);
const PACKED = Buffer.from((await pack(WANTED, OLD))!);
const PACKED_NEW = zstdCompressSync(NEW);
const PIECES = [kept(0, 20_000), fresh(NEW), kept(30_000, 20_000)];

type More = { base?: string | undefined; path?: string; bytes?: number };
function patch(delta: Buffer, wanted = WANTED, more: More = {}) {
  const of = { bytes: wanted.length, sha256: sha256(wanted), base: sha256(OLD) };
  const command = world.command("volume.patch", {
    ...{ volume: "v", path: "f", count: 1, ...of },
    xxh64: xxh64(wanted).toString(16).padStart(16, "0"),
    ...more,
  });
  return command.stage(more.path ?? "f", delta);
}
const deltaOf = (pieces: DeltaPiece[], bytes: Buffer = NEW) => Buffer.concat([bytes, deltaTail(pieces)]);
const now = () => fs.readFileSync(`${world.volume}/f`);

it("puts a file together of what is there and what came", async () => {
  const result = await world.run(patch(deltaOf(PIECES)));
  expect(result).toEqual({ count: 1, bytes: WANTED.length });
  expect(now().equals(WANTED)).toBe(true);
  expect(fs.statSync(`${world.volume}/f`).mode & 0o777).toBe(0o777);
  expect(world.leftovers()).toEqual([]);
});

it("puts together what is packed with the old file", async () => {
  await world.run(
    patch(deltaOf([{ at: 0, old: OLD.length, bytes: WANTED.length, packed: PACKED.length }], PACKED)),
  );
  expect(now().equals(WANTED)).toBe(true);
});

it("fetches nothing for a file that is another than the delta is made for", async () => {
  const command = patch(deltaOf(PIECES), WANTED, { base: sha256(NEW) });
  expect(await world.code(command)).toBe("DELTA_BASE_CHANGED");
  expect(command.fetched).toEqual([]);
  expect(now().equals(OLD)).toBe(true);
});

it("lists the chunks of a file", async () => {
  const command = world.command("volume.chunks", { volume: "v", path: "f" });
  expect(await world.run(command)).toMatchObject({ size: OLD.length, chunker: CHUNKER });
  const { chunks, sha256: whole } = readChunkList(command.stored(), OLD.length);
  expect(whole).toBe(sha256(OLD));
  expect(chunks.every(({ length }) => length <= CHUNK.most)).toBe(true);
  for (const { offset, length, key } of chunks) {
    const digest = createHash("sha256")
      .update(OLD.subarray(offset, offset + length))
      .digest();
    expect(Buffer.from(key, "latin1").subarray(2).equals(digest.subarray(0, 8))).toBe(true);
  }
  expect(await world.code(world.command("volume.chunks", { volume: "v", path: "none" }))).toBe(
    "FILE_NOT_FOUND",
  );
  expect(await world.code(world.command("volume.chunks", { volume: "v", path: "" }))).toBe("INVALID_PATH");
});

describe("what is refused changes nothing", () => {
  const tail = (text: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([Buffer.from(text), length]);
  };
  const long = Buffer.alloc(4);
  long.writeUInt32LE(0xffff_ffff);
  const TERABYTE = 2 ** 40;
  const ZEROS = 4 * MiB + 1;
  const zeros = zstdCompressSync(Buffer.alloc(ZEROS));
  const many = Array.from({ length: LIMITS.deltaPieces }, () => kept(0, 1));
  const dear = many.map(() => ({ at: 0, old: 1 * MiB, bytes: 1, packed: 1 }));
  const bomb = zstdCompressSync(Buffer.alloc(64 * MiB));
  // a frame with a window of 128 MiB, and one block as it is
  const block = Buffer.alloc(4);
  block.writeUInt32LE((WANTED.length << 3) | 1);
  const wide = Buffer.concat([Buffer.from("28b52ffd0088", "hex"), block.subarray(0, 3), WANTED]);
  const packed = (bytes: Buffer, piece: object = {}) => {
    const of = { at: 0, old: 9, bytes: WANTED.length, packed: bytes.length };
    return deltaOf([{ ...of, ...piece }], bytes);
  };
  it.each<[what: string, code: string, delta: Buffer, bytes?: number]>([
    ["nothing", "DELTA_INVALID", Buffer.alloc(0)],
    ["a manifest of 4 GiB", "DELTA_INVALID", Buffer.concat([NEW, long])],
    ["no JSON", "DELTA_INVALID", tail("{")],
    ["another version", "DELTA_INVALID", tail('{"version":2,"pieces":[]}')],
    ["an unknown field", "DELTA_INVALID", tail('{"version":1,"pieces":[],"from":"/etc/shadow"}')],
    [
      "millions of numbers for pieces",
      "DELTA_INVALID",
      tail(`{"version":1,"pieces":[0${",0".repeat(4e6)}]}`),
    ],
    ["a piece that packs over 4 MiB", "DELTA_INVALID", packed(zeros, { bytes: ZEROS }), ZEROS],
    ["a piece that is packed with a terabyte", "DELTA_INVALID", packed(PACKED_NEW, { old: TERABYTE })],
    ["a byte that is packed with 8 MiB", "DELTA_INVALID", packed(PACKED_NEW, { old: 8 * MiB })],
    [
      "bytes that are each packed with a MiB",
      "DELTA_INVALID",
      deltaOf(dear, randomBytes(dear.length)),
      dear.length,
    ],
    ["a piece that packs more than it says", "DELTA_INVALID", packed(bomb)],
    ["a piece that packs less than it says", "DELTA_INVALID", packed(PACKED_NEW)],
    ["a piece that takes much memory", "DELTA_INVALID", packed(wide)],
    ["a packed piece that is no zstd", "DELTA_INVALID", packed(randomBytes(1000))],
    ["a packed piece with another dictionary", "DELTA_INVALID", packed(PACKED, { old: 10_000 })],
    ["old bytes past the end to pack with", "DELTA_BASE_CHANGED", packed(PACKED, { at: 10, old: 50_000 })],
    ["a negative offset", "DELTA_INVALID", deltaOf([{ ...PIECES[0]!, at: -1 }])],
    ["very many pieces", "DELTA_INVALID", deltaOf([...many, kept(0, 1)], Buffer.alloc(0)), many.length + 1],
    ["pieces of another length", "DELTA_INVALID", deltaOf([kept(0, 20_001), ...PIECES.slice(1)])],
    ["fewer new bytes than named", "DELTA_INVALID", deltaOf(PIECES, NEW.subarray(1))],
    ["more new bytes than named", "DELTA_INVALID", deltaOf(PIECES, Buffer.concat([NEW, NEW]))],
    ["other new bytes", "CHECKSUM_MISMATCH", deltaOf(PIECES, Buffer.from(NEW).reverse())],
    [
      "old bytes past the end",
      "DELTA_BASE_CHANGED",
      deltaOf([kept(0, 20_000), PIECES[1]!, { ...kept(30_000, 20_000), at: 30_001 }]),
    ],
    ["a piece twice", "CHECKSUM_MISMATCH", deltaOf([PIECES[0]!, PIECES[1]!, kept(0, 20_000)])],
  ])("%s", async (_what, code, delta, bytes = WANTED.length) => {
    expect(await world.code(patch(delta, WANTED, { bytes }))).toBe(code);
    expect(now().equals(OLD)).toBe(true);
    expect(world.leftovers()).toEqual([]);
  });

  it("what packs more than it says is not even unpacked", async () => {
    await expect(unpack(bomb, OLD, WANTED.length)).rejects.toMatchObject({ code: "ERR_BUFFER_TOO_LARGE" });
  });

  it("an old file that is not there, is another user's, or is behind a link", async () => {
    fs.mkdirSync(`${world.root}/bob/v`, { recursive: true });
    fs.writeFileSync(`${world.root}/bob/v/secret`, OLD);
    fs.symlinkSync("../../bob/v/secret", `${world.volume}/link`);
    expect(await world.code(patch(deltaOf(PIECES), WANTED, { path: "secret" }))).toBe("DELTA_BASE_CHANGED");
    expect(await world.code(patch(deltaOf(PIECES), WANTED, { path: "link" }))).toBe("ILLEGAL_PATH");
    expect(world.leftovers()).toEqual([]);
  });

  it("more than the user may have", async () => {
    world.quota = 10_000;
    expect(await world.code(patch(deltaOf(PIECES)))).toBe("QUOTA_EXCEEDED");
    expect(now().equals(OLD)).toBe(true);
  });
});

describe("an old file that changes meanwhile is another file", () => {
  it.each([
    ["written to", (file: string) => fs.writeFileSync(file, Buffer.from(OLD).fill(0, 40_000))],
    ["cut", (file: string) => fs.truncateSync(file, 35_000)],
  ])("%s while the new one is put together", async (_what, change) => {
    const packed = { at: 0, old: OLD.length, bytes: WANTED.length, packed: PACKED.length };
    for (const [delta, wanted] of [
      [deltaOf(PIECES), WANTED],
      [deltaOf([kept(0, 1), packed], PACKED), Buffer.concat([OLD.subarray(0, 1), WANTED])],
    ] as const) {
      fs.writeFileSync(`${world.volume}/f`, OLD);
      const command = patch(delta, wanted);
      command.onProgress = ({ phase }) => {
        if (phase === "rebuilding") change(`${world.volume}/f`);
      };
      expect(await world.code(command)).toBe("DELTA_BASE_CHANGED");
    }
  });

  it("cut while it is looked at", async () => {
    const file = `${world.base}/large`;
    fs.writeFileSync(file, Buffer.alloc(8 * MiB));
    const fd = fs.openSync(file, "r");
    // asked after each block
    const signal = { throwIfAborted: () => fs.truncateSync(file, 1000) } as unknown as AbortSignal;
    await expect(assertBase(fd, sha256(OLD), signal)).rejects.toMatchObject({ code: "DELTA_BASE_CHANGED" });
    fs.closeSync(fd);
  });
});

describe("a delta of an earlier ground, which names no old file", () => {
  it("is refused as one of another file, before anything is fetched", async () => {
    const command = patch(deltaOf(PIECES), WANTED, { base: undefined });
    expect(await world.code(command)).toBe("DELTA_BASE_CHANGED");
    expect(command.fetched).toEqual([]);
  });

  it("is put in place where that was decided", async () => {
    const command = patch(deltaOf(PIECES));
    command.afterNote = () => {
      throw new ShuttingDown();
    };
    await expect(world.run(command)).rejects.toThrow(ShuttingDown);
    await world.restart();
    command.afterNote = undefined;
    delete command.input.base;
    await world.run(command);
    expect(now().equals(WANTED)).toBe(true);
  });
});

it("is gone on with after a death before and after it is decided", async () => {
  const command = patch(deltaOf(PIECES));
  command.beforeNote = () => {
    throw new ShuttingDown();
  };
  await expect(world.run(command)).rejects.toThrow(ShuttingDown);
  expect(now().equals(OLD)).toBe(true);
  await world.restart();
  command.beforeNote = undefined;
  command.afterNote = () => {
    throw new ShuttingDown();
  };
  await expect(world.run(command)).rejects.toThrow(ShuttingDown);
  await world.restart();
  command.afterNote = undefined;
  await world.run(command);
  expect(now().equals(WANTED)).toBe(true);
  expect(command.fetched).toHaveLength(1);
  expect(world.leftovers()).toEqual([]);
});

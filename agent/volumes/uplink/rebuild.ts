import { createHash } from "node:crypto";
import fs from "node:fs";
import { promisify } from "node:util";
import { Xxh64 } from "@node-rs/xxhash";
import { bytesInDelta, type DeltaPiece, type DeltaTarget, deltaManifest } from "#protocol/chunking/delta.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import { readAgain } from "../../files/read-exactly.ts";
import { unpack } from "./unpack.ts";

const read = promisify(fs.read);
const write = promisify(fs.write);
const BLOCK = 1 * MiB;

export type Rebuilding = {
  /** the delta, and the content that it refers to */
  delta: number;
  old: number;
  /** an empty file, for what comes of it */
  into: number;
  target: Omit<DeltaTarget, "base">;
  signal: AbortSignal;
  /** called with the present length of the file; throws to stop */
  written: (bytes: number) => void;
};

/**
 * Puts a file together from a delta, of a base that was looked at ({@link assertBase}). It is checked, and not durable yet.
 * @throws PerigeeError DELTA_INVALID, DELTA_BASE_CHANGED, CHECKSUM_MISMATCH
 */
export async function rebuild(rebuilding: Rebuilding): Promise<void> {
  const { delta, old, into, target, signal, written } = rebuilding;
  const { pieces, bytes: fresh } = readManifest(delta);
  checkPieces(pieces, { size: target.size, fresh });
  const oldSize = fs.fstatSync(old).size;
  const whole = createHash("sha256");
  const known = new Xxh64();
  let position = 0;
  let taken = 0;
  for (const piece of pieces) {
    if ("at" in piece && piece.at + ("old" in piece ? piece.old : piece.bytes) > oldSize) throw baseChanged();
    for await (const block of contentOf(piece, taken, rebuilding)) {
      signal.throwIfAborted();
      for (const sum of [whole, known]) sum.update(block);
      await writeAll(into, block, position);
      position += block.length;
      written(position);
    }
    taken += bytesInDelta(piece);
  }
  const same = whole.digest("hex") === target.sha256;
  if (same && xxh64Text(known.digest()) === target.xxh64) return;
  throw new PerigeeError(
    "CHECKSUM_MISMATCH",
    "The file that the delta makes is not the one that was declared",
  );
}

/** @throws PerigeeError DELTA_BASE_CHANGED when the file is not the one that the delta is made for; the signal's reason */
export async function assertBase(old: number, base: string, signal: AbortSignal): Promise<void> {
  const hash = createHash("sha256");
  for await (const block of readAgain(old, 0, fs.fstatSync(old).size)) {
    signal.throwIfAborted();
    hash.update(block as Buffer);
  }
  if (hash.digest("hex") !== base) throw baseChanged();
}

/** The bytes that a piece stands for. `taken`: bytes of the delta before it */
async function* contentOf(piece: DeltaPiece, taken: number, { delta, old }: Rebuilding) {
  if ("packed" in piece) {
    const packed = await readBlock(delta, taken, piece.packed);
    yield await unpacked(packed, await readBlock(old, piece.at, piece.old), piece.bytes);
    return;
  }
  const [fd, from] = "at" in piece ? [old, piece.at] : [delta, taken];
  for (let done = 0; done < piece.bytes; done += BLOCK) {
    yield await readBlock(fd, from + done, Math.min(BLOCK, piece.bytes - done));
  }
}

async function readBlock(fd: number, from: number, length: number): Promise<Buffer> {
  const block = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await read(fd, block, done, length - done, from + done);
    // the delta itself is as long as its pieces say
    if (bytesRead === 0) throw baseChanged();
    done += bytesRead;
  }
  return block;
}

async function unpacked(packed: Buffer, old: Buffer, size: number): Promise<Buffer> {
  try {
    return await unpack(packed, old, size);
  } catch (error) {
    throw invalid("a packed piece does not unpack", error);
  }
}

function readManifest(delta: number): { pieces: DeltaPiece[]; bytes: number } {
  const { size } = fs.fstatSync(delta);
  const tail = Buffer.alloc(4);
  const length = size > 4 && fs.readSync(delta, tail, 0, 4, size - 4) === 4 ? tail.readUInt32LE(0) : 0;
  if (length > LIMITS.deltaManifestBytes) throw invalid("its manifest is too long");
  const bytes = size - 4 - length;
  const text = Buffer.alloc(length);
  if (length === 0 || bytes < 0 || fs.readSync(delta, text, 0, length, bytes) !== length) {
    throw invalid("it has no manifest");
  }
  let json: unknown;
  try {
    json = JSON.parse(text.toString());
  } catch {
    throw invalid("its manifest is no JSON");
  }
  const { data } = deltaManifest.safeParse(json);
  if (!data) throw invalid("its manifest breaks a rule");
  return { pieces: data.pieces, bytes };
}

/** Nothing is written for a manifest that cannot come out right. */
function checkPieces(pieces: DeltaPiece[], { size, fresh }: { size: number; fresh: number }): void {
  let all = 0;
  let own = 0;
  for (const piece of pieces) {
    all += piece.bytes;
    own += bytesInDelta(piece);
  }
  if (all !== size) throw invalid(`its pieces are ${all} bytes, not ${size}`);
  if (own !== fresh) throw invalid(`it has ${fresh} new bytes, not ${own}`);
}

async function writeAll(fd: number, block: Buffer, position: number): Promise<void> {
  for (let done = 0; done < block.length; ) {
    done += (await write(fd, block, done, block.length - done, position + done)).bytesWritten;
  }
}

function invalid(why: string, cause?: unknown): PerigeeError {
  return new PerigeeError("DELTA_INVALID", `The delta cannot be used: ${why}`, { cause });
}

/** The old file is not there, or not the one that the delta was made for. */
export function baseChanged(): PerigeeError {
  return new PerigeeError("DELTA_BASE_CHANGED", "The edge's file is not the one that the delta was made for");
}

import { createHash } from "node:crypto";
import fs from "node:fs";
import { promisify } from "node:util";
import { Xxh64 } from "@node-rs/xxhash";
import { BufferCollector } from "#protocol/buffer-collector.ts";
import { bytesInDelta, type DeltaPiece, type DeltaTarget } from "#protocol/chunking/delta.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import { FileShrank, readAgain } from "../../files/read-exactly.ts";
import { deltaInvalid, readPieces } from "./read-pieces.ts";
import { unpack } from "./unpack.ts";

const read = promisify(fs.read);
const write = promisify(fs.write);
const BLOCK = 1 * MiB;
/** Of all that is unpacked together. */
const garbage = new BufferCollector();

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
  const pieces = await readPieces(delta, target.size, signal);
  const oldSize = fs.fstatSync(old).size;
  const whole = createHash("sha256");
  const known = new Xxh64();
  const buffer = Buffer.allocUnsafe(BLOCK);
  let position = 0;
  let taken = 0;
  for (const piece of pieces) {
    if ("at" in piece && piece.at + ("old" in piece ? piece.old : piece.bytes) > oldSize) throw baseChanged();
    for await (const block of contentOf(piece, taken, { delta, old, buffer })) {
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
  try {
    for await (const block of readAgain(old, 0, fs.fstatSync(old).size)) {
      signal.throwIfAborted();
      hash.update(block as Buffer);
    }
  } catch (error) {
    throw error instanceof FileShrank ? baseChanged() : error;
  }
  if (hash.digest("hex") !== base) throw baseChanged();
}

/** The bytes that a piece stands for, each block until the next one is asked for. `taken`: bytes of the delta before it */
async function* contentOf(
  piece: DeltaPiece,
  taken: number,
  { delta, old, buffer }: { delta: number; old: number; buffer: Buffer },
): AsyncGenerator<Buffer> {
  if ("packed" in piece) {
    garbage.received(piece.packed + piece.old + piece.bytes);
    const packed = await readInto(Buffer.allocUnsafe(piece.packed), delta, taken);
    yield await unpacked(packed, await readInto(Buffer.allocUnsafe(piece.old), old, piece.at), piece.bytes);
    return;
  }
  const [fd, from] = "at" in piece ? [old, piece.at] : [delta, taken];
  for (let done = 0; done < piece.bytes; done += BLOCK) {
    yield await readInto(buffer.subarray(0, Math.min(BLOCK, piece.bytes - done)), fd, from + done);
  }
}

async function readInto(block: Buffer, fd: number, from: number): Promise<Buffer> {
  for (let done = 0; done < block.length; ) {
    const { bytesRead } = await read(fd, block, done, block.length - done, from + done);
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
    throw deltaInvalid("a packed piece does not unpack", error);
  }
}

async function writeAll(fd: number, block: Buffer, position: number): Promise<void> {
  for (let done = 0; done < block.length; ) {
    done += (await write(fd, block, done, block.length - done, position + done)).bytesWritten;
  }
}

/** The old file is not there, or not the one that the delta was made for. */
export function baseChanged(): PerigeeError {
  return new PerigeeError("DELTA_BASE_CHANGED", "The edge's file is not the one that the delta was made for");
}

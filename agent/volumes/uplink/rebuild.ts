import { createHash } from "node:crypto";
import fs from "node:fs";
import { promisify } from "node:util";
import { Xxh64 } from "@node-rs/xxhash";
import { type DeltaPiece, type DeltaTarget, deltaManifest } from "#protocol/chunking/delta.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";

const read = promisify(fs.read);
const write = promisify(fs.write);
const BLOCK = 1 * MiB;

export type Rebuilding = {
  /** the delta, and the content that it refers to */
  delta: number;
  old: number;
  /** an empty file, for what comes of it */
  into: number;
  target: DeltaTarget;
  signal: AbortSignal;
  /** called with the present length of the file; throws to stop */
  written: (bytes: number) => void;
};

/**
 * Puts a file together from a delta. Each piece is checked, and the whole; it is not durable yet.
 * @throws PerigeeError DELTA_INVALID, DELTA_BASE_CHANGED, CHECKSUM_MISMATCH
 */
export async function rebuild({ delta, old, into, target, signal, written }: Rebuilding): Promise<void> {
  const { pieces, start } = readManifest(delta);
  checkPieces(pieces, { size: target.size, fresh: fs.fstatSync(delta).size - start });
  const oldSize = fs.fstatSync(old).size;
  const whole = createHash("sha256");
  const known = new Xxh64();
  const buffer = Buffer.allocUnsafe(BLOCK);
  let fresh = start;
  let position = 0;
  for (const { at, bytes, sha256 } of pieces) {
    if (at !== undefined && at + bytes > oldSize) throw baseChanged();
    const hash = createHash("sha256");
    for (let done = 0; done < bytes; ) {
      signal.throwIfAborted();
      const from = at === undefined ? fresh + done : at + done;
      const fd = at === undefined ? delta : old;
      const { bytesRead } = await read(fd, buffer, 0, Math.min(BLOCK, bytes - done), from);
      if (bytesRead === 0) throw at === undefined ? invalid("it ends early") : baseChanged();
      const block = buffer.subarray(0, bytesRead);
      for (const sum of [hash, whole, known]) sum.update(block);
      await writeAll(into, block, position);
      done += bytesRead;
      position += bytesRead;
      written(position);
    }
    if (hash.digest("hex") === sha256) {
      if (at === undefined) fresh += bytes;
      continue;
    }
    throw at === undefined ? invalid("a piece has another SHA-256") : baseChanged();
  }
  const same = whole.digest("hex") === target.sha256;
  if (same && xxh64Text(known.digest()) === target.xxh64) return;
  throw new PerigeeError(
    "CHECKSUM_MISMATCH",
    "The file that the delta makes is not the one that was declared",
  );
}

function readManifest(delta: number): { pieces: DeltaPiece[]; start: number } {
  const head = Buffer.alloc(4);
  const length = fs.readSync(delta, head, 0, 4, 0) === 4 ? head.readUInt32LE(0) : 0;
  if (length > LIMITS.deltaManifestBytes) throw invalid("its manifest is too long");
  const text = Buffer.alloc(length);
  if (length === 0 || fs.readSync(delta, text, 0, length, 4) !== length) throw invalid("it has no manifest");
  let json: unknown;
  try {
    json = JSON.parse(text.toString());
  } catch {
    throw invalid("its manifest is no JSON");
  }
  const { data } = deltaManifest.safeParse(json);
  if (!data) throw invalid("its manifest breaks a rule");
  return { pieces: data.pieces, start: 4 + length };
}

/** Nothing is written for a manifest that cannot come out right. */
function checkPieces(pieces: DeltaPiece[], { size, fresh }: { size: number; fresh: number }): void {
  let all = 0;
  let own = 0;
  for (const { at, bytes } of pieces) {
    all += bytes;
    if (at === undefined) own += bytes;
  }
  if (all !== size) throw invalid(`its pieces are ${all} bytes, not ${size}`);
  if (own !== fresh) throw invalid(`it has ${fresh} new bytes, not ${own}`);
}

async function writeAll(fd: number, block: Buffer, position: number): Promise<void> {
  for (let done = 0; done < block.length; ) {
    done += (await write(fd, block, done, block.length - done, position + done)).bytesWritten;
  }
}

function invalid(why: string): PerigeeError {
  return new PerigeeError("DELTA_INVALID", `The delta cannot be used: ${why}`);
}

/** The old file is not there, or not the one that the delta was made for. */
export function baseChanged(): PerigeeError {
  return new PerigeeError("DELTA_BASE_CHANGED", "The edge's file is not the one that the delta was made for");
}

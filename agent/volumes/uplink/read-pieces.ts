import fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import {
  bytesInDelta,
  type DeltaPiece,
  deltaManifest,
  deltaPiece,
  mostOld,
  PACKED,
} from "#protocol/chunking/delta.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";

/** Pieces of a manifest that are looked at in one go. */
const AT_ONCE = 500;
/** Of a manifest: a piece is up to four numbers in an object in a list. */
const MOST_VALUES = 5 * LIMITS.deltaPieces + 8;
const OPENS_VALUE = new Set(Buffer.from("{[,"));

/**
 * The pieces of a delta of a file of `size` bytes. Whoever sent it may have put anything there.
 * @throws PerigeeError DELTA_INVALID; the signal's reason
 */
export async function readPieces(delta: number, size: number, signal: AbortSignal): Promise<DeltaPiece[]> {
  const { pieces, bytes: fresh } = await readManifest(delta, signal);
  checkPieces(pieces, { size, fresh });
  return pieces;
}

async function readManifest(
  delta: number,
  signal: AbortSignal,
): Promise<{ pieces: DeltaPiece[]; bytes: number }> {
  const { size } = fs.fstatSync(delta);
  const tail = Buffer.alloc(4);
  const length = size > 4 && fs.readSync(delta, tail, 0, 4, size - 4) === 4 ? tail.readUInt32LE(0) : 0;
  if (length > LIMITS.deltaManifestBytes) throw deltaInvalid("its manifest is too long");
  const bytes = size - 4 - length;
  const text = Buffer.alloc(length);
  if (length === 0 || bytes < 0 || fs.readSync(delta, text, 0, length, bytes) !== length) {
    throw deltaInvalid("it has no manifest");
  }
  if (valuesIn(text) > MOST_VALUES) throw deltaInvalid("its manifest names too much");
  let json: unknown;
  try {
    json = JSON.parse(text.toString());
  } catch {
    throw deltaInvalid("its manifest is no JSON");
  }
  const { data } = deltaManifest.safeParse(json);
  if (!data) throw deltaInvalid("its manifest breaks a rule");
  if (data.pieces.length > LIMITS.deltaPieces) throw deltaInvalid("it has too many pieces");
  return { pieces: await checked(data.pieces, signal), bytes };
}

/** Values in JSON, and a few more: one that is full of small ones would take a hundred times its size in memory. */
function valuesIn(text: Buffer): number {
  let values = 0;
  for (let i = 0; i < text.length; i++) if (OPENS_VALUE.has(text[i]!)) values++;
  return values;
}

/** The first that is none ends it, and the agent does other things between. */
async function checked(given: unknown[], signal: AbortSignal): Promise<DeltaPiece[]> {
  const pieces: DeltaPiece[] = [];
  for (const one of given) {
    const { data } = deltaPiece.safeParse(one);
    if (!data) throw deltaInvalid(`piece ${pieces.length} of its manifest breaks a rule`);
    if (pieces.push(data) % AT_ONCE > 0) continue;
    await setImmediate();
    signal.throwIfAborted();
  }
  return pieces;
}

/** Nothing is written for a manifest that cannot come out right, or that is more work than its file is worth. */
function checkPieces(pieces: DeltaPiece[], { size, fresh }: { size: number; fresh: number }): void {
  let all = 0;
  let own = 0;
  let packedWith = 0;
  for (const piece of pieces) {
    all += piece.bytes;
    own += bytesInDelta(piece);
    if (!("packed" in piece)) continue;
    packedWith += piece.old;
    if (piece.old > piece.bytes + 2 * PACKED.around) throw deltaInvalid("a piece is packed with too much");
  }
  if (all !== size) throw deltaInvalid(`its pieces are ${all} bytes, not ${size}`);
  if (own !== fresh) throw deltaInvalid(`it has ${fresh} new bytes, not ${own}`);
  if (packedWith > mostOld(size)) throw deltaInvalid("its pieces are packed with too much");
}

export function deltaInvalid(why: string, cause?: unknown): PerigeeError {
  return new PerigeeError("DELTA_INVALID", `The delta cannot be used: ${why}`, { cause });
}

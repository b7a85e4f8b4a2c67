import * as z from "zod";
import { KiB, LIMITS, MiB } from "../limits.ts";

/**
 * Most bytes that are packed together, and of the old content that they are packed with: both sides have them in memory.
 * On each side of where they are expected in it `around` of it at most, as many as they are themselves, or `aroundLeast`.
 */
export const PACKED = { bytes: 4 * MiB, old: 8 * MiB, around: 2 * MiB, aroundLeast: 64 * KiB };

/**
 * Most bytes of the old content that all pieces together are packed with: reading them is work that
 * the file's size does not bound. A sender that keeps to `around` and packs at most once every 256 KiB stays below it.
 */
export function mostOld(size: number): number {
  return 4 * size + PACKED.old;
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const offset = z.number().int().nonnegative();
const bytes = z.number().int().positive().max(LIMITS.uplinkBytes);

/** `bytes` of the old content from `at` on. */
const kept = z.strictObject({ at: offset, bytes });
/** The next `bytes` of the delta. */
const fresh = z.strictObject({ bytes });
/** What the next `packed` bytes of the delta are with `old` bytes of the old content from `at` on: one frame of zstd, with those as its dictionary. */
const packed = z.strictObject({
  at: offset,
  old: bytes.max(PACKED.old),
  bytes: bytes.max(PACKED.bytes),
  packed: bytes.max(PACKED.bytes),
});

/** What follows in a file. */
export const deltaPiece = z.union([packed, kept, fresh]);
export type DeltaPiece = z.infer<typeof deltaPiece>;
export type PackedPiece = z.infer<typeof packed>;

/**
 * A delta: the bytes that the old content does not have, one after another, a manifest as JSON, and its length (4 bytes,
 * little-endian). The manifest is last as the length of what is packed is known only then. Its pieces
 * ({@link deltaPiece}) are checked one by one, after their number.
 */
export const deltaManifest = z.strictObject({
  version: z.literal(1),
  pieces: z.custom<unknown[]>(Array.isArray),
});

/** What it is made for, and what the file is after that. */
export const deltaTarget = z.object({
  /** SHA-256 of the old content */
  base: sha256,
  /** bytes */
  size: z.number().int().nonnegative().max(LIMITS.uplinkBytes),
  sha256,
  /** XXH64, as of other uplinks */
  xxh64: z.string().regex(/^[0-9a-f]{16}$/),
});
export type DeltaTarget = z.infer<typeof deltaTarget>;

/** The bytes of a delta that a piece takes. */
export function bytesInDelta(piece: DeltaPiece): number {
  if ("packed" in piece) return piece.packed;
  return "at" in piece ? 0 : piece.bytes;
}

/** The end of a delta, behind its bytes. */
export function deltaTail(pieces: DeltaPiece[]): Buffer {
  const text = Buffer.from(JSON.stringify({ version: 1, pieces }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([text, length]);
}

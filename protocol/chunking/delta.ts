import * as z from "zod";
import { LIMITS } from "../limits.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * What follows in a file: `bytes` of the old content from `at` on, or, without it, the next bytes of the delta. Each
 * with its own SHA-256.
 */
export const deltaPiece = z.strictObject({
  at: z.number().int().nonnegative().optional(),
  bytes: z.number().int().positive().max(LIMITS.uplinkBytes),
  sha256,
});
export type DeltaPiece = z.infer<typeof deltaPiece>;

/**
 * A delta: the length of a manifest (4 bytes, little-endian), the manifest as JSON, and the bytes that the old content
 * does not have, one after another.
 */
export const deltaManifest = z.strictObject({
  version: z.literal(1),
  pieces: z.array(deltaPiece).max(LIMITS.deltaPieces),
});

/** What the file is after that. */
export const deltaTarget = z.object({
  /** bytes */
  size: z.number().int().nonnegative().max(LIMITS.uplinkBytes),
  sha256,
  /** XXH64, as of other uplinks */
  xxh64: z.string().regex(/^[0-9a-f]{16}$/),
});
export type DeltaTarget = z.infer<typeof deltaTarget>;

/** The beginning of a delta, before its new bytes. */
export function deltaHead(pieces: DeltaPiece[]): Buffer {
  const text = Buffer.from(JSON.stringify({ version: 1, pieces }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text]);
}

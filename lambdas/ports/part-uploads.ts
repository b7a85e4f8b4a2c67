import { LIMITS } from "#protocol/limits.ts";

/** A part of an object: numbered from 1, `size` bytes with that CRC32 (8 hex digits). */
export type Part = { number: number; size: number; crc32: string };

/** How an object of `size` bytes (1 or more) is cut: every part has `partSize` bytes but the last. */
export type PartLayout = { size: number; partSize: number };

/** Whoever holds it may store what it was signed for: `PUT url` with exactly these headers. */
export type SignedUpload = { url: string; headers: Record<string, string> };

/** `from`: so many bytes are there already, and the PUT may bring the rest alone, with a `Content-Range` that says so. */
export type ResumedUpload = SignedUpload & { from?: number };

/** Parts of one object are at most this many, on every adapter. */
export const MOST_PARTS = 10_000;

/**
 * Objects that come in parts, over as many connections and as long as it takes. The parts go straight to
 * storage by signed URLs, which refuse whatever has another size or CRC32 than was signed; what has arrived
 * outlives any process. An object appears when its upload is completed; until then its parts are in no listing
 * and no usage. {@link Staging.deletePrefix} ends the uploads of the keys it deletes.
 */
export interface PartUploads {
  /** What is PUT to its URLs may be compressed (protocol/link-encoding.ts); size and CRC32 are of what it stands for. */
  readonly zstd?: boolean;
  /**
   * Begins an upload and returns its id (letters, digits, `.`, `_`, `-`, at most 1024).
   * @throws RangeError for a layout that {@link partCount} refuses; PerigeeError STORAGE_FULL
   */
  begin(key: string, layout: PartLayout): Promise<string>;
  /** To PUT one part, for `seconds`. A part that is sent again replaces the one before. */
  signPart(key: string, upload: string, part: Part, seconds: number): Promise<SignedUpload>;
  /** To PUT a whole object of that size and CRC32, without an upload. */
  signWhole(key: string, content: Omit<Part, "number">, seconds: number): Promise<SignedUpload>;
  /**
   * As {@link signWhole}, of a storage that keeps the beginning of what is cut: who asks has nothing of it under way any
   * more, so what still comes in is ended. Where `from` is the size, all of it is there.
   */
  signResumed?(key: string, content: Omit<Part, "number">, seconds: number): Promise<ResumedUpload>;
  /** The parts that are there, whole and durable, in order; none when there is no such upload. */
  arrived(key: string, upload: string): Promise<Part[]>;
  /**
   * Makes the object out of its parts, which must be those that have arrived; repeating it is harmless.
   * @returns the numbers of parts that are missing or others than these: nothing has changed then
   */
  complete(key: string, upload: string, parts: Part[]): Promise<number[]>;
}

/** How many parts a layout has. @throws RangeError when it is none, or has too many */
export function partCount({ size, partSize }: PartLayout): number {
  const count = Math.ceil(size / partSize);
  const whole = Number.isSafeInteger(size) && Number.isSafeInteger(partSize);
  if (!whole || size < 1 || partSize < LIMITS.partBytesLeast || count > MOST_PARTS) {
    throw new RangeError(`${size} bytes cannot be cut into parts of ${partSize}`);
  }
  return count;
}

/** Bytes of part `number` of a layout. */
export function partBytes({ size, partSize }: PartLayout, number: number): number {
  return Math.min(partSize, size - (number - 1) * partSize);
}

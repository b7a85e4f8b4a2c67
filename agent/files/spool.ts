import { randomBytes } from "node:crypto";
import { openSync } from "node:fs";
import { mkdir, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { readExactly } from "./read-exactly.ts";

export type SpoolPlace = {
  /** made when missing */
  directory: string;
  /** bytes that may still be written there */
  room(): number;
};

/** The room is looked at each time so much was written. */
const LOOK_BYTES = 16 * MiB;

/**
 * Writes a stream to a file that has no name any more when this returns: it goes with its descriptor, whatever
 * happens to the process. `read` opens it from the beginning, as often as one likes.
 * @throws PerigeeError STORAGE_FULL; the signal's reason; what the stream breaks with
 */
export async function spool(
  body: Readable,
  place: SpoolPlace,
  signal: AbortSignal,
): Promise<{ size: number; read(): Readable; [Symbol.asyncDispose](): Promise<void> }> {
  await mkdir(place.directory, { recursive: true, mode: 0o700 });
  const path = join(place.directory, `spool-${randomBytes(8).toString("hex")}`);
  const file = await open(path, "wx+", 0o600);
  try {
    await unlink(path);
    let size = 0;
    let left = 0;
    for await (const chunk of body) {
      signal.throwIfAborted();
      const bytes = chunk as Buffer;
      left -= bytes.length;
      if (left < 0) {
        if (place.room() < bytes.length + LOOK_BYTES) throw full();
        left = LOOK_BYTES;
      }
      await file.appendFile(bytes);
      size += bytes.length;
    }
    signal.throwIfAborted();
    return {
      size,
      // by a descriptor of its own, which goes when a transfer is cut
      read: () => readExactly(openSync(`/proc/self/fd/${file.fd}`, "r"), 0, size),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? full(error) : error;
  }
}

function full(cause?: unknown): PerigeeError {
  return new PerigeeError("STORAGE_FULL", "The edge has no room to gather what is to be sent", { cause });
}

import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";

export type SpoolPlace = {
  /** made when missing */
  directory: string;
  /** bytes that may still be written there */
  room(): number;
};

/** The room is looked at each time so much was written. */
const LOOK_BYTES = 16 * MiB;
const READ_BYTES = 1 * MiB;

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
      read: () => Readable.from(chunksOf(file), { objectMode: false }),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? full(error) : error;
  }
}

/** Not a read stream of Node's: that closes the file when it is destroyed, and so when a transfer is cut. */
async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function full(cause?: unknown): PerigeeError {
  return new PerigeeError("STORAGE_FULL", "The edge has no room to gather what is to be sent", { cause });
}

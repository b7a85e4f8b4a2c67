import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import type { Part } from "../../ports/part-uploads.ts";
import type { FileSink } from "./file-sink.ts";
import { receive } from "./receive.ts";

/**
 * Brings a body to a file, and looks whether what is there then is what was declared.
 * @param before bytes that were there already, and are in the sink's hash
 * @throws PerigeeError SIZE_MISMATCH, CHECKSUM_MISMATCH
 */
export async function receiveChecked(
  sink: FileSink,
  { size, crc32 }: Omit<Part, "number">,
  body: Readable,
  signal?: AbortSignal,
  before = 0,
): Promise<void> {
  signal?.throwIfAborted();
  try {
    await receive(body, sink, signal);
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "BODY_TOO_LARGE") throw mismatch({ size });
    throw error;
  } finally {
    await sink.idle();
  }
  if (before + sink.size !== size) throw mismatch({ size });
  if (sink.digest() === crc32) return;
  throw new PerigeeError("CHECKSUM_MISMATCH", `The CRC32 of the content is ${sink.digest()}, not ${crc32}`);
}

export function mismatch({ size }: { size: number }): PerigeeError {
  return new PerigeeError("SIZE_MISMATCH", `The content must have ${size} bytes`);
}

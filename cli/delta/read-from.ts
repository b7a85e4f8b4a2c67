import type { FileHandle } from "node:fs/promises";
import type { LocalFile } from "../files/collect.ts";
import { changed } from "../files/open-again.ts";

/** Bytes of a file, as many as are asked for. @throws CliFailure LOCAL_FILE when it became shorter */
export async function readFrom(
  handle: FileHandle,
  file: LocalFile,
  from: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, from + done);
    if (bytesRead === 0) throw changed(file);
    done += bytesRead;
  }
  return bytes;
}

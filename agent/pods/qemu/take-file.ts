import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { extract } from "tar-stream";
import { isEngineError } from "../../engine/engine-call.ts";

/**
 * Copies a regular file out of a container, whether it ever ran or not, into a new file. What the container holds may be
 * a user's work: no name in it is used.
 * @returns false when there is no such regular file
 */
export async function takeFile(container: Docker.Container, path: string, to: string): Promise<boolean> {
  let archive: NodeJS.ReadableStream;
  try {
    archive = await container.getArchive({ path });
  } catch (error) {
    if (isEngineError(error, 404)) return false;
    throw error;
  }
  const entries = extract();
  const reading = pipeline(archive, entries);
  let taken = false;
  for await (const entry of entries) {
    if (entry.header.type === "file" && !taken) {
      await pipeline(entry, createWriteStream(to, { flags: "wx", mode: 0o644 }));
      taken = true;
    } else entry.resume();
  }
  await reading;
  return taken;
}

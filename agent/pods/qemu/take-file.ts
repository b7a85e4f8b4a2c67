import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { extract } from "tar-stream";
import { isEngineError } from "../../engine/engine-call.ts";

/**
 * Copies a regular file out of a container, whether it ever ran or not, into a new file. What the container holds may be
 * a user's work: no name in it is used.
 * @param assertRoom throws when so many bytes find no room
 * @returns false when there is no such regular file
 */
export async function takeFile(
  container: Docker.Container,
  { path, to, assertRoom }: { path: string; to: string; assertRoom(bytes: number): void },
): Promise<boolean> {
  let archive: NodeJS.ReadableStream;
  try {
    archive = await container.getArchive({ path });
  } catch (error) {
    if (isEngineError(error, 404)) return false;
    throw error;
  }
  return takeFirst(archive, to, assertRoom);
}

/** The same of a tar whose first entry is what was asked for; of a directory the others are what is in it. */
export async function takeFirst(
  archive: NodeJS.ReadableStream,
  to: string,
  assertRoom: (bytes: number) => void,
): Promise<boolean> {
  const entries = extract();
  const reading = pipeline(archive, entries);
  // when the loop below ends early, its own error is the one to report
  reading.catch(() => undefined);
  let taken = false;
  for await (const entry of entries) {
    if (taken) {
      entry.resume();
      continue;
    }
    if (entry.header.type !== "file") return false;
    assertRoom(entry.header.size ?? 0);
    await pipeline(entry, createWriteStream(to, { flags: "wx", mode: 0o644 }));
    taken = true;
  }
  await reading;
  return taken;
}

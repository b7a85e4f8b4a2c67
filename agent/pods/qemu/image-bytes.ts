import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const BLOCK = 512;

/**
 * Bytes on disk of what machines read of these images; of one that no machine was started from, none.
 * @param root directory of the files of images (vm-image-files.ts)
 */
export function imageBytes(root: string, imageIds: Iterable<string>): number {
  let bytes = 0;
  for (const id of new Set(imageIds)) {
    const directory = join(root, id.replace("sha256:", ""));
    try {
      for (const name of readdirSync(directory)) bytes += statSync(join(directory, name)).blocks * BLOCK;
    } catch {
      // not there, or going right now
    }
  }
  return bytes;
}

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Paths of the files beneath a directory that others write into and remove from meanwhile; none where it is not. */
export function filesBeneath(directory: string): string[] {
  while (existsSync(directory)) {
    try {
      return readdirSync(directory, { recursive: true, encoding: "utf8" })
        .map((name) => join(directory, name))
        .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
    } catch (error) {
      // a directory is removed while it is read: look again
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return [];
}

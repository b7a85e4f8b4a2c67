import { closeSync, fstatSync, readSync } from "node:fs";
import { Directory } from "../../files/directory.ts";

/** What of a disk tells its file system. */
const HEAD = 2048;
const EXT = { at: 1024 + 56, magic: 0xef53 };
const BOOT = { at: 510, magic: 0xaa55 };

/** The file system of a disk, recognised by its first bytes; undefined: none that a machine can mount. Pure. */
export function fileSystemIn(head: Buffer): "ext2" | "fat" | undefined {
  if (head.length < HEAD) return undefined;
  if (head.readUInt16LE(EXT.at) === EXT.magic) return "ext2";
  const isFat = [54, 82].some((at) => head.toString("latin1", at, at + 3) === "FAT");
  return isFat && head.readUInt16LE(BOOT.at) === BOOT.magic ? "fat" : undefined;
}

/**
 * {@link fileSystemIn} of a file in a directory that is a user's work: no link is followed, and nothing that stands there
 * can block. Undefined also where there is no regular file, or it cannot be read.
 */
export function fileSystemOf(directory: string, name: string): "ext2" | "fat" | undefined {
  try {
    using opened = Directory.open(directory);
    const fd = opened.openFile(name);
    try {
      if (!fstatSync(fd).isFile()) return undefined;
      const head = Buffer.alloc(HEAD);
      return fileSystemIn(head.subarray(0, readSync(fd, head, 0, HEAD, 0)));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).errno === "number") return undefined;
    throw error;
  }
}

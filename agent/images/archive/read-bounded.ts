import fs from "node:fs";
import type { Directory } from "../../files/directory.ts";
import { openBeneath } from "../../files/open-beneath.ts";

/** A file to be read whole that is no regular file, or larger than it may be. */
export class NotReadable extends Error {
  override readonly name = "NotReadable";
}

/**
 * A small file beneath `root`, in one read of what was opened: at most `maxBytes`.
 * @throws NotReadable; as openBeneath
 */
export function readBounded(root: Directory, path: string, maxBytes: number): Buffer {
  const opened = openBeneath(root, path);
  if (opened.kind === "directory") {
    opened.directory.close();
    throw new NotReadable("is a directory");
  }
  if (opened.kind === "other") throw new NotReadable("is not a regular file");
  try {
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = fs.readSync(opened.fd, buffer, length, buffer.length - length, length);
    }
    if (length > maxBytes) throw new NotReadable(`is larger than ${maxBytes} bytes`);
    return buffer.subarray(0, length);
  } finally {
    fs.closeSync(opened.fd);
  }
}

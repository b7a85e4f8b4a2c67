import fs from "node:fs";
import { chmod, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { DISK_FILE } from "#protocol/volume-create.ts";
import type { Directory } from "../files/directory.ts";
import type { DiskMaker, NewDisk } from "../files/disk-maker.ts";
import { withOnlyFile } from "../files/only-file.ts";
import { packDirectory } from "../files/pack-directory.ts";
import { readAgain } from "../files/read-exactly.ts";

type Disk = Pick<NewDisk, "kind" | "sizeBytes" | "signal"> & {
  /** path of the directory that becomes the volume */
  volume: string;
  assertRoom(bytes: number): void;
};

/**
 * Makes the disk of a volume with the files of a tree, or with none.
 * @param files with what they take on the disk
 * @returns its bytes
 * @throws as {@link DiskMaker}
 */
export async function makeDisk(
  disks: DiskMaker,
  disk: Disk,
  files?: { tree: Directory; bytes: number },
): Promise<number> {
  const { kind, sizeBytes, signal, volume, assertRoom } = disk;
  const to = join(volume, DISK_FILE);
  const tar = files && packDirectory(files.tree, { links: kind === "ext2", signal });
  try {
    const packed = files && tar && { files: { tar, bytes: files.bytes } };
    await disks.make({ kind, sizeBytes, to, signal, assertRoom, ...packed });
  } finally {
    tar?.destroy();
  }
  await openToAll(to);
  return (await stat(to)).size;
}

/**
 * Takes the one file of a tree for the disk of a volume, byte by byte; what is in it nobody looks at.
 * @returns its bytes, whole MiB
 * @throws PerigeeError DATA_TOO_LARGE, STORAGE_FULL
 */
export function takeDisk({ sizeBytes, signal, volume, assertRoom }: Disk, tree: Directory): Promise<number> {
  return withOnlyFile(tree, async (fd) => {
    const { size } = fs.fstatSync(fd);
    const bytes = sizeBytes ?? Math.max(1, Math.ceil(size / MiB)) * MiB;
    if (size > bytes) throw new PerigeeError("DATA_TOO_LARGE", "data does not fit into size");
    assertRoom(bytes);
    const to = join(volume, DISK_FILE);
    const disk = await open(to, "wx");
    try {
      for await (const chunk of readAgain(fd, 0, size)) {
        signal.throwIfAborted();
        await disk.writeFile(chunk as Buffer);
      }
      const zeros = Buffer.alloc(MiB);
      for (let left = bytes - size; left > 0; left -= zeros.length) {
        signal.throwIfAborted();
        await disk.writeFile(zeros.subarray(0, left));
      }
    } finally {
      await disk.close();
    }
    await openToAll(to);
    return bytes;
  });
}

/** As what is in every volume: machines are nobody, who mounts it in a pod is whoever its image says. */
function openToAll(file: string): Promise<void> {
  return chmod(file, 0o666);
}

import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { MiB } from "#protocol/limits.ts";
import { StartFailure } from "../pod-runtime.ts";
import { type DiskToMake, type Made, makeDisk } from "./make-disk.ts";

/** So long it may take, ms. */
const MOST_MS = 600_000;

/** Bytes that it takes to make the disk of an image with so many: its files, the disk beside them, and the copy of it. */
export function diskBytes(imageBytes: number): number {
  const disk = 1.25 * imageBytes + 16 * MiB;
  return Math.ceil(imageBytes + 2 * disk);
}

export type RootDisk = Pick<DiskToMake, "tools" | "labels" | "to" | "bytes" | "assertRoom"> & {
  /** a container of the image that never ran */
  source: Docker.Container;
  /** directories that there are to be, absolute */
  places: readonly string[];
};

/**
 * Makes a disk of all files of an image.
 * @throws StartFailure when its files make no disk, or that takes too long; what `assertRoom` throws
 */
export async function makeRootDisk(docker: Docker, { source, places, ...disk }: RootDisk): Promise<void> {
  const files = async () => (await source.export()) as Readable;
  const { signal } = new AbortController();
  let made: Made;
  try {
    made = await makeDisk(docker, {
      ...disk,
      ...{ files, signal, mostMs: MOST_MS, script: "root-disk", args: places },
    });
  } catch (cause) {
    if (!(cause instanceof DOMException && cause.name === "TimeoutError")) throw cause;
    const message = `making the machine's disk took longer than ${MOST_MS / 60_000} minutes`;
    throw new StartFailure(message, { cause });
  }
  if (made !== "made") throw new StartFailure("the image's files make no disk");
}

import { join } from "node:path";
import type Docker from "dockerode";
import { makeVmImages } from "#agent/pods/qemu/images/make-vm-images.ts";
import { findVmImages, type VmImages, vmImageNames } from "#agent/pods/qemu/images/vm-images.ts";
import { cacheFolder } from "./cache-folder.ts";
import { takeLock } from "./file-lock.ts";

/** Making them downloads 190 MB. */
const WAIT_MS = 20 * 60_000;

/**
 * Makes sure that the engine has the images for virtual machines: once for each machine and version, by one process
 * while the others wait.
 */
export async function ensureVmImages(docker: Docker, say: (line: string) => void): Promise<VmImages> {
  const { version, ...names } = vmImageNames();
  const found = await findVmImages(docker, names);
  if (found) return found;
  const lock = await takeLock(join(cacheFolder(), `vm-images-${version}.lock`), WAIT_MS);
  if (!lock)
    throw new Error("another process has been making the images for virtual machines for 20 minutes");
  try {
    return await makeVmImages(docker, say);
  } finally {
    lock.release();
  }
}

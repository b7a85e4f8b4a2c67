import type Docker from "dockerode";
import { GiB } from "#protocol/limits.ts";
import { OWN } from "./own.ts";
import { takeFile } from "./take-file.ts";

/** Where the scripts of the image with the tools find files, and put the disk. */
const FILES = "/rootfs";
const DISK = "/made.img";

export type DiskToMake = {
  /** ID of the image with the compilers of machines */
  tools: string;
  /** which of the image's scripts, and what it is told after the directory of files and the disk */
  script: "root-disk" | "volume-disk";
  args: readonly string[];
  /** a tar of the files that go into it */
  files?: NodeJS.ReadableStream;
  /** of the container that makes it */
  labels: Record<string, string>;
  /** the file, which is not there yet */
  to: string;
  /** ends it */
  signal: AbortSignal;
};

/**
 * Makes a disk of files in a container without a network: this machine reads no file system that is a user's work.
 * @returns false when the files make no disk
 * @throws the signal's reason
 */
export async function makeDisk(docker: Docker, disk: DiskToMake): Promise<boolean> {
  const { tools, script, args, files, labels, to, signal } = disk;
  const run = `mkdir -p ${FILES} && exec /bin/sh /${OWN}/linux/${script} ${FILES} ${DISK} "$@"`;
  signal.throwIfAborted();
  const maker = await docker.createContainer({
    Image: tools,
    Entrypoint: ["/bin/sh", "-c", run, script],
    Cmd: [...args],
    Labels: labels,
    HostConfig: {
      NetworkMode: "none",
      CapDrop: ["ALL"],
      // it reads files whoever owns them
      CapAdd: ["DAC_OVERRIDE"],
      SecurityOpt: ["no-new-privileges"],
      PidsLimit: 64,
      Memory: GiB,
      MemorySwap: GiB,
    },
  });
  const remove = () => maker.remove({ force: true, v: true });
  // what is under way fails then
  const end = () => void remove().catch(() => undefined);
  signal.addEventListener("abort", end, { once: true });
  try {
    if (files) await maker.putArchive(files, { path: FILES });
    await maker.start();
    const { StatusCode } = (await maker.wait()) as { StatusCode: number };
    const isMade = StatusCode === 0 && (await takeFile(maker, DISK, to));
    signal.throwIfAborted();
    return isMade;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
    if (!signal.aborted) await remove();
  }
}

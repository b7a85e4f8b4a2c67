import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { GiB } from "#protocol/limits.ts";
import { RoomWatch } from "../../files/room-watch.ts";
import { MAKER_PLACES } from "./maker-places.ts";
import { OWN } from "./own.ts";
import { takeFile } from "./take-file.ts";

/** Where the scripts of the image with the tools find files, and put the disk. */
const FILES = "/rootfs";
const DISK = "/made.img";
/** A script ends with this when all is well but that the files do not fit. */
const TOO_LARGE = 3;

export type DiskToMake = {
  /** ID of the image with the compilers of machines */
  tools: string;
  /** script of the image with the tools; `args` follow the directory of files and the path of the disk */
  script: "root-disk" | "volume-disk";
  args: readonly string[];
  /** gives a tar of the files that go into it, when it is being made; destroyed afterwards */
  files?: () => Promise<Readable>;
  /** of the container that makes it */
  labels: Record<string, string>;
  /** the file, which is not there yet */
  to: string;
  /** ends it */
  signal: AbortSignal;
  /** so long it may take once it has begun, ms; default: for ever */
  mostMs?: number;
  /** what it takes on the engine's disk and here while it is made */
  bytes: number;
  /** throws when so many bytes more find no room; asked beforehand, and again and again */
  assertRoom(bytes: number): void;
};

/** `none`: the files make no disk of this kind. */
export type Made = "made" | "too large" | "none";

/**
 * Makes a disk of files in a container without a network: this machine reads no file system that is a user's work.
 * Waits while as many are made as may be at once.
 * @throws the signal's reason; a TimeoutError; what `assertRoom` throws
 */
export function makeDisk(docker: Docker, disk: DiskToMake): Promise<Made> {
  const { signal, mostMs, bytes, assertRoom } = disk;
  return MAKER_PLACES.run(signal, async () => {
    assertRoom(bytes);
    using room = new RoomWatch(assertRoom);
    const late = mostMs === undefined ? [] : [AbortSignal.timeout(mostMs)];
    return await inContainer(docker, disk, AbortSignal.any([signal, room.signal, ...late]));
  });
}

async function inContainer(docker: Docker, disk: DiskToMake, signal: AbortSignal): Promise<Made> {
  const { tools, script, args, labels } = disk;
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
      // to read files regardless of their owner and mode
      CapAdd: ["DAC_OVERRIDE"],
      SecurityOpt: ["no-new-privileges"],
      PidsLimit: 64,
      Memory: GiB,
      MemorySwap: GiB,
    },
  });
  let removed: Promise<unknown> | undefined;
  const remove = () => {
    removed ??= maker.remove({ force: true, v: true });
    return removed;
  };
  // what is under way fails then
  const end = () => void remove().catch(() => undefined);
  signal.addEventListener("abort", end, { once: true });
  try {
    signal.throwIfAborted();
    const made = await fill(maker, disk, signal);
    signal.throwIfAborted();
    return made;
  } catch (error) {
    signal.throwIfAborted();
    // as long as what was made is there
    disk.assertRoom(0);
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
    await (signal.aborted ? remove().catch(() => undefined) : remove());
  }
}

async function fill(
  maker: Docker.Container,
  { files, to, assertRoom }: DiskToMake,
  abortSignal: AbortSignal,
): Promise<Made> {
  const tar = await files?.();
  try {
    // a container that is being written to is not removed
    if (tar) await maker.putArchive(tar, { path: FILES, abortSignal });
  } finally {
    tar?.destroy();
  }
  await maker.start();
  const { StatusCode } = (await maker.wait()) as { StatusCode: number };
  if (StatusCode === 0) return (await takeFile(maker, { path: DISK, to, assertRoom })) ? "made" : "none";
  assertRoom(0);
  return StatusCode === TOO_LARGE ? "too large" : "none";
}

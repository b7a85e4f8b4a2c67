import type Docker from "dockerode";
import { isEngineError } from "../../engine/engine-call.ts";
import type { Written } from "../pod-runtime.ts";
import { allocatedBytes, heldFiles } from "./held-files.ts";

/** What the engine lists when sizes are asked for. */
export type Sized = Docker.ContainerInfo & { SizeRw?: number };

/** An empty volume of the engine's takes a directory, and so a block at least. */
const VOLUME_BYTES = 4096;

/**
 * What containers hold outside their volumes and their own layers: volumes that their images declare (of the engine's,
 * going with the container), files without a name, and the three that the engine keeps for each of them.
 */
export async function writtenBeside(docker: Docker, containers: readonly Sized[]): Promise<Written> {
  const written: Written = { bytes: 0, directories: [] };
  for (const { Id, State, Mounts = [] } of containers) {
    const volumes = Mounts.flatMap(({ Type, Name }) => (Type === "volume" && Name ? [Name] : []));
    for (const name of volumes) {
      const volume = await orGone(docker.getVolume(name).inspect());
      if (!volume) continue;
      written.directories.push(volume.Mountpoint);
      written.bytes += VOLUME_BYTES;
    }
    const container = await orGone(docker.getContainer(Id).inspect());
    if (!container) continue;
    const { HostsPath, HostnamePath, ResolvConfPath } = container;
    written.bytes += await allocatedBytes([HostsPath, HostnamePath, ResolvConfPath].filter(Boolean));
    if (State !== "running" || !container.State.Pid) continue;
    const { bytes, wrote } = await heldFiles(container.State.Pid);
    written.bytes += bytes;
    written.wrote = (written.wrote ?? 0) + wrote;
  }
  return written;
}

async function orGone<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (isEngineError(error, 404)) return undefined;
    throw error;
  }
}

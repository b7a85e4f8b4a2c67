import type Docker from "dockerode";
import { StartFailure } from "../pod-runtime.ts";
import { hostPathOf, type VolumePart } from "./bind-volume.ts";
import { isWithin } from "./image-path.ts";

/** Starts on one volume, one after the other. */
export class VolumeTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` when what was asked for before on any of the same volumes has ended, however it did. */
  async inTurn<T>(volumePaths: readonly string[], work: () => Promise<T>): Promise<T> {
    const paths = [...new Set(volumePaths)];
    const before = Promise.allSettled(paths.map((path) => this.#last.get(path)));
    const turn = before.then(work);
    for (const path of paths) this.#last.set(path, turn);
    try {
      return await turn;
    } finally {
      for (const path of paths) if (this.#last.get(path) === turn) this.#last.delete(path);
    }
  }
}

const OVER = ["created", "exited", "dead"];

/**
 * Holds a start that mounts from within a volume to one that nobody changes: the engine mounts by path, and another pod
 * could put a link on the way between our look and its, and so have any directory of this machine mounted. That takes
 * a directory above what is mounted, so a pod that has another part of the volume, or cannot write, does no harm.
 * @param name of the container to be started; one that has started already mounts nothing any more
 * @throws StartFailure while another container that runs could do that
 */
export async function refuseUsedVolume(
  docker: Docker,
  parts: readonly VolumePart[],
  name: string,
): Promise<void> {
  const within = parts.filter(({ subPath }) => subPath !== "");
  if (within.length === 0) return;
  const found = await docker.listContainers({ all: true });
  const own = found.find(({ Names }) => Names.includes(`/${name}`));
  if (own && own.State !== "created") return;
  const running = found.filter(({ State }) => !OVER.includes(State)).flatMap(({ Mounts }) => Mounts);
  const writable = running.flatMap(({ Source, RW }) => (Source && RW ? [Source] : []));
  for (const part of within) {
    const path = hostPathOf(part);
    if (writable.some((source) => source !== path && isWithin(path, source))) {
      throw new StartFailure(`${part.name} lies within a volume, and another pod runs on the volume`);
    }
  }
}

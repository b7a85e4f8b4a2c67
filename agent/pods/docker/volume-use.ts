import type Docker from "dockerode";
import { StartFailure } from "../pod-runtime.ts";

/** Starts on one volume, one after the other. */
export class VolumeTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` when what was asked for before on the same volume has ended, however it did. */
  async inTurn<T>(volumePath: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(volumePath) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#last.set(volumePath, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(volumePath) === turn) this.#last.delete(volumePath);
    }
  }
}

const OVER = ["created", "exited", "dead"];

/**
 * Holds a start that mounts from within a volume to one that nobody changes: the engine mounts by path, and another pod
 * could put a link there between our look and its, and so have any directory of this machine mounted.
 * @param name of the container to be started; one that has started already mounts nothing any more
 * @throws StartFailure while another container that runs has the volume
 */
export async function refuseUsedVolume(docker: Docker, volumePath: string, name: string): Promise<void> {
  const found = await docker.listContainers({ all: true });
  const own = found.find(({ Names }) => Names.includes(`/${name}`));
  if (own && own.State !== "created") return;
  const used = found.some(
    ({ State, Mounts }) =>
      !OVER.includes(State) &&
      Mounts.some(({ Source = "" }) => Source === volumePath || Source.startsWith(`${volumePath}/`)),
  );
  if (used) {
    throw new StartFailure("the image has a VOLUME beneath /data, and another pod runs on the volume");
  }
}

import type Docker from "dockerode";
import { engineCall, engineTry } from "../../engine/engine-call.ts";

/** How long a container that is being removed is waited for, in ms. */
const REMOVAL_MS = 30_000;

/** The containers of builds: found by their cgroup parent, never by labels or names, which users write. */
export class BuildSteps {
  readonly #docker: Docker;
  readonly #isOurs: (cgroupParent: string | undefined) => boolean;
  /** what a container is does not change */
  readonly #known = new Map<string, boolean>();

  constructor(docker: Docker, isOurs: (cgroupParent: string | undefined) => boolean) {
    this.#docker = docker;
    this.#isOurs = isOurs;
  }

  /** Is the container one of them? False when it is gone. */
  async has(id: string): Promise<boolean> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const found = await engineTry(() => this.#docker.getContainer(id).inspect(), 404);
    if (!found) return false;
    const ours = this.#isOurs(found.HostConfig.CgroupParent);
    this.#known.set(id, ours);
    return ours;
  }

  /** IDs of those that are there. */
  async list(): Promise<string[]> {
    const ids: string[] = [];
    for (const { Id } of await engineCall(() => this.#docker.listContainers({ all: true }))) {
      if (await this.has(Id)) ids.push(Id);
    }
    return ids;
  }

  /** Removes those that a build left which was cut; the engine may be removing them at the same time. */
  async remove(): Promise<void> {
    for (const id of await this.list()) {
      const container = this.#docker.getContainer(id);
      await engineTry(() => container.remove({ force: true, v: true }), 404, 409);
      const gone = { condition: "removed" as const, abortSignal: AbortSignal.timeout(REMOVAL_MS) };
      // One that takes longer is found by the next start.
      await container.wait(gone).catch(() => undefined);
    }
  }
}

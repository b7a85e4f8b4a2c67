import type Docker from "dockerode";
import { engineCall, engineTry } from "../../engine/engine-call.ts";

/** How long a container that is being removed is waited for, in ms. */
const REMOVAL_MS = 30_000;

/** The containers of builds: found by their cgroup parent, never by labels or names, which users write. */
export class BuildSteps {
  readonly #docker: Docker;
  readonly #isOurs: (cgroupParent: string | undefined) => boolean;
  /** cgroup parents of containers, which do not change, by ID */
  readonly #parents: Map<string, string | undefined>;

  /** @param parents what is known of containers; who keeps it need not ask again for each build */
  constructor(
    docker: Docker,
    isOurs: (cgroupParent: string | undefined) => boolean,
    parents: Map<string, string | undefined> = new Map(),
  ) {
    this.#docker = docker;
    this.#isOurs = isOurs;
    this.#parents = parents;
  }

  /** Is the container one of them? False when it is gone. */
  async has(id: string): Promise<boolean> {
    if (!this.#parents.has(id)) {
      const found = await engineTry(() => this.#docker.getContainer(id).inspect(), 404);
      if (!found) return false;
      this.#parents.set(id, found.HostConfig.CgroupParent);
    }
    return this.#isOurs(this.#parents.get(id));
  }

  /** IDs of those that are there. */
  async list(): Promise<string[]> {
    const listed = await engineCall(() => this.#docker.listContainers({ all: true }));
    const there = new Set(listed.map(({ Id }) => Id));
    for (const id of this.#parents.keys()) if (!there.has(id)) this.#parents.delete(id);
    const ids: string[] = [];
    for (const { Id, HostConfig } of listed) {
      // an inspection waits for whatever the engine does with the container, and no step has a network
      if (HostConfig.NetworkMode === "none" && (await this.has(Id))) ids.push(Id);
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

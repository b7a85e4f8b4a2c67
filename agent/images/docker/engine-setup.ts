import type Docker from "dockerode";
import { engineCall } from "../../engine/engine-call.ts";

/** How an engine is set up: what builds need to know of it. */
export type Setup = {
  /** its cgroup driver */
  cgroupDriver: string;
  /** where it keeps what is its own, on its host */
  rootDirectory: string | undefined;
};

/**
 * Asks the engine how it is set up: once, as it runs several programs to answer, and again after {@link EngineSetup.doubt},
 * for it may have been set up anew.
 */
export class EngineSetup {
  readonly #docker: Docker;
  #asked: Promise<Setup> | undefined;

  constructor(docker: Docker) {
    this.#docker = docker;
  }

  /** @throws PerigeeError ENGINE_UNAVAILABLE */
  get(): Promise<Setup> {
    this.#asked ??= this.#ask();
    this.#asked.catch(() => this.doubt());
    return this.#asked;
  }

  /** Something failed that may come of a setup that has changed: it is asked for again. */
  doubt(): void {
    this.#asked = undefined;
  }

  async #ask(): Promise<Setup> {
    const info = (await engineCall(() => this.#docker.info())) as {
      CgroupDriver?: string;
      DockerRootDir?: string;
    };
    return { cgroupDriver: info.CgroupDriver ?? "", rootDirectory: info.DockerRootDir };
  }
}

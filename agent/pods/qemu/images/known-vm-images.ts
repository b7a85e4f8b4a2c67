import type Docker from "dockerode";
import { findVmImages, type VmImages, vmImageNames } from "./vm-images.ts";

/** The images for virtual machines as the engine had them when it was last asked: they may come and go. */
export class KnownVmImages {
  readonly #docker: Docker;
  #names: VmImages | undefined;
  #found: VmImages | undefined;

  constructor(docker: Docker) {
    this.#docker = docker;
  }

  /** undefined: not there, or never looked for */
  get found(): VmImages | undefined {
    return this.#found;
  }

  /** As they are known, and looked for where they are not. @throws as {@link look} */
  async get(): Promise<VmImages | undefined> {
    return this.#found ?? (await this.look());
  }

  /** Asks the engine. @throws what it says when it does not answer: then what was known stays */
  async look(): Promise<VmImages | undefined> {
    this.#names ??= vmImageNames();
    this.#found = await findVmImages(this.#docker, this.#names);
    return this.#found;
  }
}

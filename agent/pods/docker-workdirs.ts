import type Docker from "dockerode";
import { ImageMissing } from "./pod-runtime.ts";

const MOST_KNOWN = 1_000;

/** WORKDIR of images by content ID; an ID names its content for ever. */
export class DockerWorkdirs {
  readonly #docker: Docker;
  readonly #known = new Map<string, string>();

  constructor(docker: Docker) {
    this.#docker = docker;
  }

  /** The image's WORKDIR; empty when it has none. @throws ImageMissing, also for what is no whole content ID */
  async of(imageId: string): Promise<string> {
    if (!/^sha256:[0-9a-f]{64}$/.test(imageId)) throw new ImageMissing(imageId);
    const known = this.#known.get(imageId);
    if (known !== undefined) return known;
    try {
      const workdir = (await this.#docker.getImage(imageId).inspect()).Config?.WorkingDir ?? "";
      if (this.#known.size >= MOST_KNOWN) this.#known.clear();
      this.#known.set(imageId, workdir);
      return workdir;
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode === 404) {
        throw new ImageMissing(imageId, { cause: error });
      }
      throw error;
    }
  }

  /** What {@link of} has said of the image; empty when it was not asked. */
  known(imageId: string): string {
    return this.#known.get(imageId) ?? "";
  }
}

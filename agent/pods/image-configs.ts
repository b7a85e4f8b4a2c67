import type Docker from "dockerode";
import { isEngineError } from "../engine/engine-call.ts";
import { reservedLabelOf } from "../images/image-labels.ts";
import type { ImageCommand } from "./argv-of-run.ts";
import { ImageMissing, StartFailure } from "./pod-runtime.ts";

const MOST_KNOWN = 1_000;

type Known = ImageCommand & { workdir: string; volumes: readonly string[]; env: readonly string[] };

/**
 * WORKDIR, VOLUMEs, ENV, ENTRYPOINT and CMD of images by content ID. They are kept in memory, since the content of an ID
 * never changes. An image with a reserved label is refused, wherever it came from: its containers could be mistaken
 * for other containers of the agent.
 */
export class ImageConfigs {
  readonly #docker: Docker;
  readonly #known = new Map<string, Known>();

  constructor(docker: Docker) {
    this.#docker = docker;
  }

  /** The image's WORKDIR; empty when it has none. @throws ImageMissing, also for what is no whole content ID; StartFailure */
  async of(imageId: string): Promise<string> {
    return (await this.#look(imageId)).workdir;
  }

  /** Paths of the image's VOLUMEs, as they were written. @throws ImageMissing, StartFailure */
  async volumesOf(imageId: string): Promise<readonly string[]> {
    return (await this.#look(imageId)).volumes;
  }

  /** The image's ENTRYPOINT and CMD; empty where it has none. @throws ImageMissing */
  async commandOf(imageId: string): Promise<ImageCommand> {
    return this.#look(imageId);
  }

  /** The image's ENV by name. @throws ImageMissing, StartFailure */
  async environmentOf(imageId: string): Promise<Record<string, string>> {
    const { env } = await this.#look(imageId);
    return Object.fromEntries(
      env.map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
  }

  async #look(imageId: string): Promise<Known> {
    if (!/^sha256:[0-9a-f]{64}$/.test(imageId)) throw new ImageMissing(imageId);
    const known = this.#known.get(imageId);
    if (known !== undefined) return known;
    try {
      const { Config } = await this.#docker.getImage(imageId).inspect();
      const label = reservedLabelOf(Config?.Labels);
      if (label !== undefined) {
        throw new StartFailure(`the image has the label ${label.slice(0, 200)}, which is reserved`);
      }
      const found = {
        workdir: Config?.WorkingDir ?? "",
        volumes: Object.keys(Config?.Volumes ?? {}),
        entrypoint: [Config?.Entrypoint ?? []].flat(),
        cmd: Config?.Cmd ?? [],
        env: Config?.Env ?? [],
      };
      if (this.#known.size >= MOST_KNOWN) this.#known.clear();
      this.#known.set(imageId, found);
      return found;
    } catch (error) {
      if (isEngineError(error, 404)) {
        throw new ImageMissing(imageId, { cause: error });
      }
      throw error;
    }
  }

  /** What {@link of} has said of the image; empty when it was not asked. */
  known(imageId: string): string {
    return this.#known.get(imageId)?.workdir ?? "";
  }
}

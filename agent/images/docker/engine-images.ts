import type Docker from "dockerode";
import type { ImageInfo, ImageInspectInfo } from "dockerode";
import { engineCall, engineTry, isEngineError } from "../../engine/engine-call.ts";
import { IMAGE_LABEL } from "../image-labels.ts";
import type { ImageRecord } from "../image-record.ts";

export type EngineImagesOptions = {
  docker: Docker;
  record: ImageRecord;
  /** label of what the agent built */
  instance: string;
  /** begins the agent's temporary names */
  temporary: string;
};

/** Names of images in the engine: given, taken away, and the images removed that lost their last one. */
export class EngineImages {
  readonly #docker: Docker;
  readonly #record: ImageRecord;
  readonly #instance: string;
  readonly #temporary: string;
  /** builds under way */
  #held = 0;

  constructor({ docker, record, instance, temporary }: EngineImagesOptions) {
    this.#docker = docker;
    this.#record = record;
    this.#instance = instance;
    this.#temporary = temporary;
  }

  /** By whole ID or by a name with its tag: never by something that could be the beginning of an ID. */
  async inspect(name: string): Promise<ImageInspectInfo | undefined> {
    return engineTry(() => this.#docker.getImage(name).inspect(), 404);
  }

  /** All that have a name, or that no other image is built on. */
  async list(): Promise<ImageInfo[]> {
    return engineCall(() => this.#docker.listImages());
  }

  /** Gives an image a further name; nothing when the image is gone. */
  async tag(id: string, name: string): Promise<void> {
    const colon = name.lastIndexOf(":");
    const names = { repo: name.slice(0, colon), tag: name.slice(colon + 1) };
    await engineTry(() => this.#docker.getImage(id).tag(names), 404);
  }

  /** Takes a name away; the image goes with its last one, unless a container holds it. */
  async untag(name: string): Promise<void> {
    try {
      await engineTry(() => this.#docker.getImage(name).remove(), 404);
    } catch (error) {
      if (!isEngineError(error, 409)) throw error;
      const found = await this.inspect(name);
      if (!found) return;
      // an image that a container uses keeps its last name: it gets one of ours in exchange
      await this.tag(found.Id, this.keptName(found.Id));
      await engineTry(() => this.#docker.getImage(name).remove(), 404);
      this.#record.release(found.Id);
    }
  }

  /** The name of an image that only a container holds still. */
  keptName(id: string): string {
    return `${this.#temporary}/kept:${id.slice("sha256:".length)}`;
  }

  /** As ImageStore.holdParts says. */
  holdParts(): Disposable {
    this.#held += 1;
    return {
      [Symbol.dispose]: () => {
        this.#held -= 1;
      },
    };
  }

  /** Removes images that lost their last name here, and steps of builds that nothing is built on any more. */
  async collect(): Promise<void> {
    // Between two steps a build's latest layer is an image that nothing holds, with our label and no name.
    if (this.#held > 0) return;
    // one that cannot be removed keeps none of the others
    const failures: unknown[] = [];
    const fails = (error: unknown) => void failures.push(error);
    for (const id of this.#record.released()) await this.#collectOne(id).catch(fails);
    const filters = { dangling: ["true"], label: [`${IMAGE_LABEL}=${this.#instance}`] };
    for (const { Id } of await engineCall(() => this.#docker.listImages({ filters }))) {
      if (!this.#record.hasId(Id)) await this.#tryRemove(Id).catch(fails);
    }
    if (failures.length > 0) throw failures[0];
  }

  async #collectOne(id: string): Promise<void> {
    const found = this.#record.hasId(id) ? undefined : await this.inspect(id);
    const others = (found?.RepoTags ?? []).filter((tag) => tag !== this.keptName(id));
    if (found && others.length === 0 && !(await this.#tryRemove(found.RepoTags?.[0] ?? id))) return;
    if (others.length > 0) await engineTry(() => this.#docker.getImage(this.keptName(id)).remove(), 404);
    this.#record.forgetReleased(id);
  }

  /** False when something still holds it. */
  async #tryRemove(name: string): Promise<boolean> {
    try {
      await engineTry(() => this.#docker.getImage(name).remove(), 404);
      return true;
    } catch (error) {
      if (isEngineError(error, 409)) return false;
      throw error;
    }
  }
}

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { END_OF_TAR, fileHeader, paddingOf } from "../../files/tar-header.ts";
import type { EngineImages } from "./engine-images.ts";

/** So many are kept; of more the one that was used longest ago goes. */
const MOST = 64;
const DOCKERFILE = "Dockerfile";
const SCRATCH = "scratch";

export type LabelledBasesOptions = {
  images: Pick<EngineImages, "list" | "untag">;
  /** begins the names that they are given: names that are taken away at the agent's start */
  prefix: string;
  most?: number;
};

/** Builds from this context, in which the Dockerfile is called so. */
type Build = (context: Readable, dockerfile: string, name: string) => Promise<void>;

/**
 * Each stage of a build begins with the agent's label on its base, which its author's Dockerfile has not: a container and a
 * commit more. What that step has made is kept by a name of its own, so that the engine finds it in its cache when the user builds
 * on that base again, though all that has no name is cleaned away.
 */
export class LabelledBases {
  readonly #images: LabelledBasesOptions["images"];
  readonly #prefix: string;
  readonly #most: number;
  /** bases by the name that is kept of them, the latest used last */
  readonly #kept = new Map<string, string>();

  constructor({ images, prefix, most = MOST }: LabelledBasesOptions) {
    this.#images = images;
    this.#prefix = prefix;
    this.#most = most;
  }

  /**
   * Keeps the step of a build that has just ended and was not cleaned up after: it is in the cache, and needs no container.
   * @param base as a Dockerfile names it: an ID, or `scratch`
   * @param label of {@link ImageStore.label}
   */
  async keep(base: string, label: string, build: Build): Promise<void> {
    const text = `FROM ${base}\nLABEL ${label}\n`;
    const name = `${this.#prefix}:${createHash("sha256").update(text).digest("hex")}`;
    const isKept = this.#kept.delete(name);
    // before: a build that is cut may have given the name
    this.#kept.set(name, base);
    if (!isKept) await build(contextOf(text), DOCKERFILE, name);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#most) return;
      await this.#letGo(oldest);
    }
  }

  /** Lets those go whose base has no name any more: somebody has removed it, and its layers are to go too. */
  async tidy(): Promise<void> {
    const bases = new Set(this.#kept.values());
    bases.delete(SCRATCH);
    if (bases.size === 0) return;
    for (const { Id, RepoTags, RepoDigests } of await this.#images.list()) {
      if ([...(RepoTags ?? []), ...(RepoDigests ?? [])].some((name) => !name.startsWith("<none>"))) {
        bases.delete(Id);
      }
    }
    for (const [name, base] of this.#kept) if (bases.has(base)) await this.#letGo(name);
  }

  async #letGo(name: string): Promise<void> {
    this.#kept.delete(name);
    await this.#images.untag(name);
  }
}

function contextOf(text: string): Readable {
  const content = Buffer.from(text);
  const bytes = [fileHeader(DOCKERFILE, content.length), content, paddingOf(content.length), END_OF_TAR];
  return Readable.from([Buffer.concat(bytes)], { objectMode: false });
}

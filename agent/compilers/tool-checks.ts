import type { ImageStore } from "../images/image-store.ts";
import type { Compiler, Toolchains } from "./compiler.ts";

/** How long a check that failed is believed, ms: one that succeeded holds as long as its image is there. */
const RETRY_MS = 300_000;

type Tried = { failure: string | undefined; until: number };

/** Finds out whether the tools of compilers work on this edge, by running what each asks for. */
export class ToolChecks {
  readonly #images: Pick<ImageStore, "inspect" | "tryOut">;
  readonly #toolchains: Toolchains;
  readonly #now: () => number;
  readonly #tried = new Map<string, Tried>();

  constructor(
    images: Pick<ImageStore, "inspect" | "tryOut">,
    toolchains: Toolchains,
    now: () => number = Date.now,
  ) {
    this.#images = images;
    this.#toolchains = toolchains;
    this.#now = now;
  }

  /** What is missing for a compiler, for its users; undefined: nothing. @throws PerigeeError ENGINE_UNAVAILABLE */
  async missing({ toolchain, check }: Compiler): Promise<string | undefined> {
    if (toolchain === undefined) return undefined;
    const id = this.#toolchains[toolchain];
    if (id === undefined) return `no image with the tools for ${toolchain} is configured`;
    if (!(await this.#images.inspect(id))) return `the image with the tools for ${toolchain} is not there`;
    if (!check) return undefined;
    const failure = await this.#try(id, check);
    return failure && `the tools for ${toolchain} do not work: ${failure}`;
  }

  async #try(id: string, check: readonly string[]): Promise<string | undefined> {
    const key = JSON.stringify([id, check]);
    const known = this.#tried.get(key);
    if (known && this.#now() < known.until) return known.failure;
    const failure = await this.#images.tryOut(id, check);
    const until = failure === undefined ? Number.POSITIVE_INFINITY : this.#now() + RETRY_MS;
    this.#tried.set(key, { failure, until });
    return failure;
  }
}

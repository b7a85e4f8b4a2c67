import { MiB } from "./limits.ts";

const EVERY_BYTES = 16 * MiB;

type Collect = (options: { type: "minor" }) => void;

/**
 * Requests a minor garbage collection every 16 MiB of chunks. Node allocates a buffer for each chunk of a body or a
 * file; V8 counts only the small objects that refer to them, and keeps about 64 MiB of dead buffers before it
 * collects. A minor collection takes about a millisecond, and the memory of a large transfer stays flat.
 */
export class BufferCollector {
  static #collect: Collect | undefined;
  readonly #wide: boolean;
  #received = 0;

  /**
   * @param wide the heap may grow to three times its live size before a major collection: the buffers count towards that
   * limit, and a heap as small as the ground's was otherwise marked completely every few MiB, by four threads, for
   * nothing
   */
  constructor({ wide = false }: { wide?: boolean } = {}) {
    this.#wide = wide;
  }

  /** Counts `bytes` that were received. */
  received(bytes: number): void {
    this.#received += bytes;
    if (this.#received < EVERY_BYTES) return;
    this.#received = 0;
    BufferCollector.#collect ??= exposeCollector(this.#wide);
    BufferCollector.#collect({ type: "minor" });
  }
}

function exposeCollector(wide: boolean): Collect {
  // loaded on demand: most Lambdas never receive that much, and would load both at their start
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  const { runInNewContext } = process.getBuiltinModule("node:vm");
  setFlagsFromString("--expose-gc");
  if (wide) setFlagsFromString("--heap-growing-percent=200");
  return runInNewContext("gc") as Collect;
}

import { MiB } from "#protocol/limits.ts";

const EVERY_BYTES = 16 * MiB;

type Collect = (options: { type: "minor" }) => void;

/**
 * Requests a minor garbage collection every 16 MiB of received chunks. Node allocates a buffer for each chunk of a
 * body; V8 counts only the small objects that refer to them, and keeps about 64 MiB of dead buffers before it
 * collects. A minor collection takes about a millisecond, and the memory of a large upload stays flat.
 *
 * The heap may also grow to three times its live size before a major collection: the buffers count towards that
 * limit, and a heap as small as ours was otherwise marked completely every few MiB, by four threads, for nothing.
 */
export class BufferCollector {
  static #collect: Collect | undefined;
  #received = 0;

  /** Counts `bytes` that were received. */
  received(bytes: number): void {
    this.#received += bytes;
    if (this.#received < EVERY_BYTES) return;
    this.#received = 0;
    BufferCollector.#collect ??= exposeCollector();
    BufferCollector.#collect({ type: "minor" });
  }
}

function exposeCollector(): Collect {
  // loaded on demand: most Lambdas never receive that much, and would load both at their start
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  const { runInNewContext } = process.getBuiltinModule("node:vm");
  setFlagsFromString("--expose-gc");
  setFlagsFromString("--heap-growing-percent=200");
  return runInNewContext("gc") as Collect;
}

import { MiB } from "#protocol/limits.ts";

const EVERY_BYTES = 16 * MiB;

type Collect = (options: { type: "minor" }) => void;

/**
 * Asks for a minor collection every 16 MiB of received chunks. Node gives each chunk of a body a buffer of its
 * own; V8 counts only the tiny objects in front of them, and lets some 64 MiB of dead buffers lie before it
 * looks. A minor collection takes about a millisecond, and the memory of a big upload stays flat.
 *
 * The heap is also told to grow to three times what lives in it before it is marked: the buffers count towards
 * that limit, and a heap as small as ours was marked whole every few MiB, by four threads, for nothing.
 */
export class BufferCollector {
  static #collect: Collect | undefined;
  #received = 0;

  /** So many bytes came in. */
  received(bytes: number): void {
    this.#received += bytes;
    if (this.#received < EVERY_BYTES) return;
    this.#received = 0;
    BufferCollector.#collect ??= exposeCollector();
    BufferCollector.#collect({ type: "minor" });
  }
}

function exposeCollector(): Collect {
  // not imported: most Lambdas never receive so much, and would load both at their start
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  const { runInNewContext } = process.getBuiltinModule("node:vm");
  setFlagsFromString("--expose-gc");
  setFlagsFromString("--heap-growing-percent=200");
  return runInNewContext("gc") as Collect;
}

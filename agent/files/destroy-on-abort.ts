import type { Readable } from "node:stream";

/** Destroys a stream with the signal's reason when it aborts, also while nobody reads: a reader learns the reason. */
export function destroyOnAbort(stream: Readable, signal: AbortSignal | undefined): void {
  if (!signal) return;
  const abort = () => stream.destroy(signal.reason as Error);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  stream.once("close", () => signal.removeEventListener("abort", abort));
}

import type { Readable } from "node:stream";

/** Destroys the stream when the signal aborts, with the signal's reason as its error, even if no reader is attached. */
export function destroyOnAbort(stream: Readable, signal: AbortSignal | undefined): void {
  if (!signal) return;
  const abort = () => stream.destroy(signal.reason as Error);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  stream.once("close", () => signal.removeEventListener("abort", abort));
}

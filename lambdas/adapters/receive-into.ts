import { finished, type Readable } from "node:stream";
import type { FileSink } from "./file-sink.ts";

/**
 * Runs `body` into `sink` until both are done; the body is never destroyed.
 * @throws what the body or the sink failed with, or the signal's reason
 */
export async function receiveInto(
  sink: FileSink,
  body: Readable | Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (error: Error) => sink.destroy(error);
  const abort = () => fail(signal!.reason);
  finished(sink, (error) => (error ? reject(error) : resolve()));
  signal?.addEventListener("abort", abort, { once: true });
  if (body instanceof Uint8Array) sink.end(body);
  else {
    body.pipe(sink);
    finished(body, { writable: false }, (error) => {
      if (error) fail(error);
      else if (!sink.writableEnded) fail(new Error("the body had been read before"));
    });
  }
  try {
    await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
    if (!(body instanceof Uint8Array)) body.unpipe(sink);
  }
}

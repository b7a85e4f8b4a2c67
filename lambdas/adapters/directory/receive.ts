import { finished, type Readable, type Writable } from "node:stream";

/** Pipes `body` into `sink` until both have ended. The body is never destroyed. */
export async function receive(
  body: Readable | Uint8Array,
  sink: Writable,
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

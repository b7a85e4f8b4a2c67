import { Readable } from "node:stream";

/**
 * A Node stream as a web stream, chunk by chunk and only on demand. With chunks of half a MiB it is as fast as piping
 * to the socket, unlike Readable.toWeb. A reader that cancels destroys the Node stream.
 */
export function webStream(body: Readable): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await chunks.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      cancel(reason) {
        body.destroy(reason instanceof Error ? reason : undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** A web stream as a Node stream; an absent one is empty. */
export function nodeStream(body: ReadableStream<Uint8Array> | null): Readable {
  return body ? Readable.from(body, { objectMode: false }) : Readable.from([], { objectMode: false });
}

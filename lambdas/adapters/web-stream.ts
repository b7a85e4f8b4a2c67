import { Readable } from "node:stream";
import { iteratorStream } from "../http/iterator-stream.ts";

/**
 * A Node stream as a web stream, chunk by chunk and only on demand. With chunks of half a MiB it is as fast as piping
 * to the socket, unlike Readable.toWeb. A reader that cancels destroys the Node stream.
 */
export function webStream(body: Readable): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return iteratorStream(chunks, (reason) => {
    body.destroy(reason instanceof Error ? reason : undefined);
  });
}

/** A web stream as a Node stream; an absent one is empty. */
export function nodeStream(body: ReadableStream<Uint8Array> | null): Readable {
  return body ? Readable.from(body, { objectMode: false }) : Readable.from([], { objectMode: false });
}

import { type Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MiB } from "#protocol/limits.ts";
import type { WriteChunks } from "./download.ts";

/** Runs a stream into `write`; more is read while it writes. Settles when nothing is being written any more. */
export async function streamInto(body: Readable, write: WriteChunks, signal: AbortSignal): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  const put = (chunks: Buffer[], done: (error?: Error | null) => void) => {
    writing = write(chunks).then(() => done(), done);
  };
  const sink = new Writable({
    highWaterMark: 1 * MiB,
    write: (chunk, _encoding, done) => put([chunk], done),
    writev: (chunks, done) =>
      put(
        chunks.map(({ chunk }) => chunk),
        done,
      ),
  });
  try {
    await pipeline(body, sink, { signal });
  } finally {
    await writing;
  }
}

import fs from "node:fs";
import { FileWriter } from "./file-writer.ts";
import { readAgain } from "./read-exactly.ts";

export type Content = {
  /** of the staged file */
  n: number;
  /** bytes */
  size: number;
  /** of the whole, as `makeHash` has it */
  hash: string;
  makeHash(): { update(chunk: Buffer): unknown; text(): string };
};

export type Receiving = {
  /** gives the bytes of a staged file from `start` on to `write`, one call after the other */
  fetchInto(
    n: number,
    start: number,
    write: (chunks: readonly Buffer[]) => Promise<void>,
    known: { size: number; sync: () => Promise<void> },
  ): Promise<void>;
  signal: AbortSignal;
};

/** A staged file was received twice, and both times its content was not the one that was announced. */
export class WrongContent extends Error {
  override readonly name = "WrongContent";
}

/**
 * Receives a staged file into an open one, and goes on with what that holds of an earlier try. It is not durable yet.
 * @param written called with the present length of the file; throws to stop
 * @throws WrongContent; the signal's reason; what `written` throws
 */
export async function receiveContent(
  fd: number,
  content: Content,
  receiving: Receiving,
  written: (position: number) => void,
): Promise<void> {
  try {
    await fill(fd, content, receiving, written);
  } catch (error) {
    if (!(error instanceof WrongContent)) throw error;
    // after a power cut, a partial file may have less content than its length says
    fs.ftruncateSync(fd, 0);
    await fill(fd, content, receiving, written);
  }
}

async function fill(
  fd: number,
  { n, size, hash: expected, makeHash }: Content,
  { fetchInto, signal }: Receiving,
  written: (position: number) => void,
): Promise<void> {
  const hash = makeHash();
  let position = fs.fstatSync(fd).size;
  if (position > size) {
    fs.ftruncateSync(fd, 0);
    position = 0;
  }
  if (position > 0) {
    const before = readAgain(fd, 0, position);
    for await (const chunk of before) {
      signal.throwIfAborted();
      hash.update(chunk as Buffer);
    }
  }
  if (position < size) {
    const writer = new FileWriter(fd, { position, size, hash, written });
    try {
      await fetchInto(n, position, (chunks) => writer.write(chunks), { size, sync: () => writer.sync() });
    } catch (error) {
      if (error instanceof RangeError) throw new WrongContent(error.message);
      throw error;
    } finally {
      await writer.idle();
    }
    position = writer.position;
  }
  if (position !== size) throw new WrongContent(`it has ${position} bytes instead of ${size}`);
  const found = hash.text();
  if (found !== expected) throw new WrongContent(`its hash is ${found} instead of ${expected}`);
}

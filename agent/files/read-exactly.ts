import fs from "node:fs";
import { Readable } from "node:stream";
import { BufferCollector } from "#protocol/buffer-collector.ts";

const CHUNK = 256 * 1024;
/** Of all reads together: large files are packed, hashed and sent at the same time. */
const garbage = new BufferCollector();

/** The file became shorter while it was read, so the announced length cannot be sent. */
export class FileShrank extends Error {
  override readonly name = "FileShrank";
  constructor(missing: number) {
    super(`the file shrank while it was read: ${missing} bytes are missing`);
  }
}

/** {@link readExactly} by a descriptor of its own, of the same file: `fd` stays open. */
export function readAgain(fd: number, start: number, length: number): Readable {
  return readExactly(fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY), start, length);
}

/**
 * Streams exactly `length` bytes of an open regular file from `start`, however it grows meanwhile, and closes
 * it at the end or on destroy. A file that shrinks ends the stream with {@link FileShrank}.
 */
export function readExactly(fd: number, start: number, length: number): Readable {
  let position = start;
  let left = length;
  let reading = false;
  let closing: (() => void) | undefined;
  return new Readable({
    highWaterMark: 2 * CHUNK,
    read() {
      if (left === 0) {
        this.push(null);
        return;
      }
      reading = true;
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left));
      fs.read(fd, buffer, 0, buffer.length, position, (error, count) => {
        reading = false;
        // if the descriptor were closed during a read, its number could belong to another file by then
        if (closing !== undefined) return closing();
        if (error !== null) return void this.destroy(error);
        if (count === 0) return void this.destroy(new FileShrank(left));
        garbage.received(count);
        position += count;
        left -= count;
        this.push(count === buffer.length ? buffer : buffer.subarray(0, count));
      });
    },
    destroy(error, done) {
      const close = () => fs.close(fd, (failure) => done(error ?? failure));
      if (reading) closing = close;
      else close();
    },
  });
}

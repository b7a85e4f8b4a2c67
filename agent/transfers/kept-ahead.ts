import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { KiB } from "#protocol/limits.ts";

/** What is kept is kept in blocks of the content's own offsets. */
export const BLOCK = 4 * KiB;
/** Of each block in the file: its number (6 bytes), its length (4), and the CRC32 of these and its bytes (4). */
const HEAD = 14;
const FRAME = HEAD + BLOCK;

export type KeptAheadOptions = {
  path: string;
  /** of the whole content, in bytes */
  size: number;
  /** what is kept is at most so many bytes ahead of what is written; a multiple of {@link BLOCK} */
  ahead: number;
};

type Fetch = (start: number, end: number) => AsyncIterable<Buffer>;

/**
 * What has arrived of content behind a gap, in a file for the next life of the agent: what is received is written in
 * order elsewhere, so these bytes would be in memory alone. The file is a ring, in which each block of the content has
 * one place. A block proves itself by its CRC32, so no order of writes has to hold: after a death or a power cut those
 * that are whole count.
 *
 * It saves fetching again and proves nothing: where it cannot be written, nothing is kept.
 */
export class KeptAhead {
  readonly #options: KeptAheadOptions;
  readonly #places: number;
  /** of an earlier life, by their numbers */
  readonly #earlier: Map<number, Buffer>;
  /** Opened once, however many write first. Its close waits for what is under way: no write meets another file. */
  #opening: Promise<FileHandle> | undefined;
  #failed = false;
  #dirty = false;

  private constructor(options: KeptAheadOptions, earlier: Map<number, Buffer>) {
    this.#options = options;
    this.#places = placesOf(options);
    this.#earlier = earlier;
  }

  /** Reads what an earlier life has kept at that path, if anything. */
  static async open(options: KeptAheadOptions): Promise<KeptAhead> {
    return new KeptAhead(options, await blocksIn(options));
  }

  /** The bytes from `start` to before `end`: those that are kept, and between them those that `fetch` gives. */
  async *read(start: number, end: number, fetch: Fetch): AsyncGenerator<Buffer> {
    for (let at = start; at < end; ) {
      const number = Math.floor(at / BLOCK);
      const kept = this.#earlier.get(number);
      if (kept) {
        this.#earlier.delete(number);
        const bytes = kept.subarray(at - number * BLOCK, end - number * BLOCK);
        at += bytes.length;
        yield bytes;
        continue;
      }
      let next = number + 1;
      while (next * BLOCK < end && !this.#earlier.has(next)) next++;
      const gap = Math.min(end, next * BLOCK);
      yield* fetch(at, gap);
      at = gap;
    }
  }

  /**
   * Keeps what arrives from `start` on, a multiple of {@link BLOCK}.
   * @returns is given it in order, one call after the other; the bytes are its caller's again when it resolves
   */
  keeping(start: number): (chunk: Buffer) => Promise<void> {
    let at = start;
    let rest = Buffer.alloc(0);
    return async (chunk) => {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      const last = at + bytes.length === this.#options.size;
      const whole = last ? bytes.length : bytes.length - (bytes.length % BLOCK);
      rest = Buffer.from(bytes.subarray(whole));
      const from = at;
      at += whole;
      if (whole > 0 && !this.#failed) await this.#write(from, bytes.subarray(0, whole));
    };
  }

  /** Makes what was kept durable. */
  async sync(): Promise<void> {
    if (!this.#dirty) return;
    this.#dirty = false;
    await this.#opening?.then((file) => file.datasync()).catch(() => undefined);
  }

  /** Keeps nothing more; resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#failed = true;
    const opening = this.#opening;
    this.#opening = undefined;
    this.#dirty = false;
    await opening?.then((file) => file.close()).catch(() => undefined);
  }

  /** Closes it, and removes its file: all of the content is written. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.#options.path, { force: true });
  }

  async #write(from: number, bytes: Buffer): Promise<void> {
    try {
      this.#opening ??= opened(this.#options.path);
      const file = await this.#opening;
      for (let done = 0; done < bytes.length && !this.#failed; ) {
        this.#dirty = true;
        const first = (from + done) / BLOCK;
        const place = first % this.#places;
        const run = bytes.subarray(done, done + (this.#places - place) * BLOCK);
        await writeWhole(file, framed(run, first), place * FRAME);
        done += run.length;
      }
    } catch {
      this.#failed = true;
    }
  }
}

const placesOf = ({ size, ahead }: KeptAheadOptions) => Math.ceil(Math.min(size, ahead) / BLOCK) + 1;

async function opened(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
}

async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** Blocks from number `first` on, as they are in the file. */
function framed(bytes: Buffer, first: number): Buffer {
  const count = Math.ceil(bytes.length / BLOCK);
  const frames = Buffer.alloc(count * FRAME);
  for (let i = 0; i < count; i++) {
    const frame = frames.subarray(i * FRAME, (i + 1) * FRAME);
    const length = bytes.copy(frame, HEAD, i * BLOCK, (i + 1) * BLOCK);
    frame.writeUIntBE(first + i, 0, 6);
    frame.writeUInt32BE(length, 6);
    frame.writeUInt32BE(sumOf(frame, length), 10);
  }
  return frames;
}

const sumOf = (frame: Buffer, length: number) =>
  crc32(frame.subarray(HEAD, HEAD + length), crc32(frame.subarray(0, 10)));

/** The blocks that are whole, by their numbers. */
async function blocksIn(options: KeptAheadOptions): Promise<Map<number, Buffer>> {
  const { path, size } = options;
  const blocks = new Map<number, Buffer>();
  const file = await readFile(path).catch(() => Buffer.alloc(0));
  for (let place = 0; place * FRAME + HEAD < file.length; place++) {
    const frame = file.subarray(place * FRAME, (place + 1) * FRAME);
    const number = frame.readUIntBE(0, 6);
    const length = Math.min(BLOCK, size - number * BLOCK);
    if (length <= 0 || frame.length < HEAD + length || frame.readUInt32BE(6) !== length) continue;
    if (frame.readUInt32BE(10) !== sumOf(frame, length)) continue;
    blocks.set(number, frame.subarray(HEAD, HEAD + length));
  }
  return blocks;
}

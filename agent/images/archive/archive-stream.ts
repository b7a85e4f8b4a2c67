import fs from "node:fs";
import { addAbortSignal, pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { readExactly } from "../../files/read-exactly.ts";
import { type TarEntry, TarError, TarParser } from "../../files/tar-parser.ts";
import { kindOf } from "./archive-kind.ts";

export type ArchiveEvent = { entry: TarEntry } | { data: Buffer };

/** An archive in a volume, held open: a tar, or a gzip of one. A pod may rewrite it at any time. */
export class ArchiveFile {
  readonly #fd: number;
  readonly #maxBytes: number;
  readonly #maxEntries: number;

  /** `maxBytes` bounds what one reading unpacks to. */
  constructor(fd: number, bounds: { maxBytes: number; maxEntries: number }) {
    this.#fd = fd;
    this.#maxBytes = bounds.maxBytes;
    this.#maxEntries = bounds.maxEntries;
  }

  /** Reads it once from the beginning. @throws TarError, the signal's reason */
  async *read(signal: AbortSignal): AsyncGenerator<ArchiveEvent> {
    // what follows the end goes nowhere
    const parser = new TarParser(this.#maxEntries, { trailing: Number.POSITIVE_INFINITY });
    let bytes = 0;
    try {
      for await (const chunk of this.#open(signal)) {
        bytes += (chunk as Buffer).length;
        if (bytes > this.#maxBytes) throw new TarError("the archive unpacks to more than is allowed");
        yield* parser.push(chunk as Buffer);
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if ((error as { code?: string }).code?.startsWith("Z_")) throw new TarError("the gzip data is damaged");
      throw error;
    }
    parser.end();
  }

  #open(signal: AbortSignal): Readable {
    // a descriptor of its own for each reading, of the same file
    const fd = fs.openSync(`/proc/self/fd/${this.#fd}`, fs.constants.O_RDONLY);
    const start = Buffer.alloc(32);
    fs.readSync(fd, start, 0, start.length, 0);
    const raw = readExactly(fd, 0, fs.fstatSync(fd).size);
    addAbortSignal(signal, raw);
    if (!isGzip(start)) {
      const kind = kindOf(start);
      if (kind === undefined) return raw;
      raw.destroy();
      throw new TarError(`the file is ${kind}: only a tar, or a tar compressed with gzip, can be loaded`);
    }
    const gunzip = createGunzip();
    // an error comes to whoever reads the other end
    pipeline(raw, gunzip, () => {});
    return gunzip;
  }
}

export function isGzip(start: Buffer): boolean {
  return start[0] === 0x1f && start[1] === 0x8b;
}

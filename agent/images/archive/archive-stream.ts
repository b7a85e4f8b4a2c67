import fs from "node:fs";
import { addAbortSignal, pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { RangedSource } from "../../files/ranged-source.ts";
import { readAgain } from "../../files/read-exactly.ts";
import { type TarEntry, TarError, TarParser } from "../../files/tar-parser.ts";
import { kindOf } from "./archive-kind.ts";

/** The first bytes of a file, by which its format is recognised. */
const KIND_BYTES = 32;

export type ArchiveEvent = { entry: TarEntry } | { data: Buffer };

/** What an archive is read from, again and again. */
export type ArchiveSource = Pick<RangedSource, "size" | "read">;

/** A file that is held open, as it is at each reading. */
export function fileArchive(fd: number): ArchiveSource {
  return {
    get size() {
      return fs.fstatSync(fd).size;
    },
    read: (start, length) => readAgain(fd, start, length),
  };
}

/** An archive: a tar, or a gzip of one. One in a volume may be rewritten by a pod at any time. */
export class ArchiveFile {
  readonly #source: ArchiveSource;
  readonly #maxBytes: number;
  readonly #maxEntries: number;

  /** `maxBytes` bounds what one reading unpacks to. */
  constructor(source: ArchiveSource, bounds: { maxBytes: number; maxEntries: number }) {
    this.#source = source;
    this.#maxBytes = bounds.maxBytes;
    this.#maxEntries = bounds.maxEntries;
  }

  /** Reads it once from the beginning. @throws TarError, the signal's reason */
  async *read(signal: AbortSignal): AsyncGenerator<ArchiveEvent> {
    // what follows the end goes nowhere
    const parser = new TarParser(this.#maxEntries, { trailing: Number.POSITIVE_INFINITY });
    let bytes = 0;
    try {
      for await (const chunk of await this.#open(signal)) {
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

  async #open(signal: AbortSignal): Promise<Readable> {
    const { size } = this.#source;
    const start = Buffer.concat(await this.#source.read(0, Math.min(KIND_BYTES, size)).toArray());
    const raw = this.#source.read(0, size);
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

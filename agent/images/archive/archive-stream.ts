import fs from "node:fs";
import { addAbortSignal, pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { MiB } from "#protocol/limits.ts";
import type { RangedSource } from "../../files/ranged-source.ts";
import { readAgain } from "../../files/read-exactly.ts";
import { type TarEntry, TarError, TarParser } from "../../files/tar-parser.ts";
import { kindOf } from "./archive-kind.ts";

/** The first bytes of a file, by which its format is recognised. */
const KIND_BYTES = 32;

/** `start`: where the entry's content begins in the tar */
export type ArchiveEvent = { entry: TarEntry; start: number } | { data: Buffer };

/** Less is read through: that is quicker than to begin anew behind it. */
const WORTH_SKIPPING = 1 * MiB;

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

  /**
   * Reads it once from the beginning.
   * @param skips is asked at an entry whether its content is of no interest: then it need not come
   * @throws TarError, the signal's reason
   */
  async *read(signal: AbortSignal, skips: () => boolean = () => false): AsyncGenerator<ArchiveEvent> {
    // what follows the end goes nowhere
    const parser = new TarParser(this.#maxEntries, { trailing: Number.POSITIVE_INFINITY });
    try {
      for (let from = 0; ; from = parser.position) {
        const { body, isPlain } = await this.#open(from, signal);
        if (!(yield* this.#through(body, { parser, skips, mayJump: isPlain }))) break;
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if ((error as { code?: string }).code?.startsWith("Z_")) throw new TarError("the gzip data is damaged");
      throw error;
    }
    parser.end();
  }

  /** @returns whether it has to be opened anew where the parser is, behind a content that is skipped */
  async *#through(
    body: Readable,
    { parser, skips, mayJump }: { parser: TarParser; skips: () => boolean; mayJump: boolean },
  ): AsyncGenerator<ArchiveEvent, boolean> {
    let skipping = false;
    for await (const chunk of body) {
      this.#assertBounds(parser.position + (chunk as Buffer).length);
      for (const event of parser.push(chunk as Buffer)) {
        if ("entry" in event) {
          yield { ...event, start: parser.position };
          skipping = skips();
        } else if (!skipping) yield event;
      }
      if (!mayJump || !skipping) continue;
      const bytes = Math.min(parser.ahead, this.#source.size - parser.position);
      if (bytes < WORTH_SKIPPING) continue;
      parser.skip(bytes);
      this.#assertBounds(parser.position);
      return true;
    }
    return false;
  }

  #assertBounds(bytes: number): void {
    if (bytes > this.#maxBytes) throw new TarError("the archive unpacks to more than is allowed");
  }

  /** @param from only of one that is not compressed another than 0 */
  async #open(from: number, signal: AbortSignal): Promise<{ body: Readable; isPlain: boolean }> {
    const { size } = this.#source;
    const start = Buffer.concat(await this.#source.read(0, Math.min(KIND_BYTES, size)).toArray());
    const raw = this.#source.read(from, Math.max(0, size - from));
    addAbortSignal(signal, raw);
    if (!isGzip(start)) {
      const kind = kindOf(start);
      if (kind === undefined) return { body: raw, isPlain: true };
      raw.destroy();
      throw new TarError(`the file is ${kind}: only a tar, or a tar compressed with gzip, can be loaded`);
    }
    const gunzip = createGunzip();
    // an error comes to whoever reads the other end
    pipeline(raw, gunzip, () => {});
    return { body: gunzip, isPlain: false };
  }
}

export function isGzip(start: Buffer): boolean {
  return start[0] === 0x1f && start[1] === 0x8b;
}

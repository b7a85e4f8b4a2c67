import { tarChecksum } from "./tar-header.ts";

/** What a tar's entry is, by its type flag. */
export type TarEntry = {
  /** as written */
  name: string;
  type: "file" | "directory" | "symlink" | "link" | "other";
  /** bytes of content that follow */
  size: number;
  linkname: string;
  /** may it be executed, by whoever? */
  executable: boolean;
};

export type TarEvent = { entry: TarEntry } | { data: Buffer };

/** Bytes that are no tar, or one that no honest tool writes. */
export class TarError extends Error {
  override readonly name = "TarError";
}

const BLOCK = 512;
/** bytes of a name or of extended headers: what is larger is an attack on our memory */
const EXTENDED_BYTES = 64 * 1024;
const TYPES: Record<string, TarEntry["type"]> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "link",
  "2": "symlink",
  "5": "directory",
};

/**
 * Reads a tar (ustar, pax, GNU) as its bytes come, with bounded memory; contents are handed on in pieces.
 * Sparse files are refused: a few bytes of them unpack to any size. Two blocks of zeros end it, as for the
 * engine: what follows is skipped, up to `trailing` bytes (default none) from the first that is not zero.
 */
export class TarParser {
  readonly #maxEntries: number;
  readonly #maxTrailing: number;
  readonly #mayBeEmpty: boolean;
  #trailing = 0;
  #pending: Buffer[] = [];
  #have = 0;
  /** of the current content and its padding */
  #left = 0;
  #padding = 0;
  #extended: { type: string; chunks: Buffer[] } | undefined;
  #names: { path?: string; linkpath?: string; size?: number } = {};
  #zeroBlocks = 0;
  #entries = 0;
  #position = 0;

  /** `mayBeEmpty`: no bytes at all are a tar, too. */
  constructor(maxEntries: number, options: { trailing?: number; mayBeEmpty?: boolean } = {}) {
    this.#maxEntries = maxEntries;
    this.#maxTrailing = options.trailing ?? 0;
    this.#mayBeEmpty = options.mayBeEmpty ?? false;
  }

  /** Bytes of the archive before what is looked at next: after an entry, where its content begins. */
  get position(): number {
    return this.#position;
  }

  /** Bytes of the content of the last entry, with its padding, that have not come yet. */
  get ahead(): number {
    return this.#extended ? 0 : this.#left + this.#padding;
  }

  /** Goes on behind the next `bytes` of content (at most {@link ahead}), which will not be pushed. */
  skip(bytes: number): void {
    const ofContent = Math.min(bytes, this.#left);
    this.#left -= ofContent;
    this.#padding -= bytes - ofContent;
    this.#position += bytes;
  }

  /** @throws TarError */
  *push(chunk: Buffer): Generator<TarEvent> {
    const before = this.#position;
    let at = 0;
    while (at < chunk.length) {
      if (this.#zeroBlocks >= 2) {
        this.#checkTrailing(chunk.subarray(at));
        break;
      }
      if (this.#left > 0) {
        const data = chunk.subarray(at, at + this.#left);
        at += data.length;
        this.#left -= data.length;
        if (this.#extended) this.#extended.chunks.push(data);
        else yield { data };
        if (this.#left === 0) this.#endExtended();
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        at += skipped;
        this.#padding -= skipped;
      } else {
        const part = chunk.subarray(at, at + BLOCK - this.#have);
        at += part.length;
        this.#have += part.length;
        this.#pending.push(part);
        if (this.#have < BLOCK) break;
        const header = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending);
        this.#pending = [];
        this.#have = 0;
        const entry = this.#header(header);
        this.#position = before + at;
        if (entry) yield { entry };
      }
    }
    this.#position = before + chunk.length;
  }

  /**
   * The bytes are over. The padding of the last entry may be missing.
   * @throws TarError when they end within an entry, or held none
   */
  end(): void {
    if (this.#left > 0 || this.#have > 0 || this.#extended) {
      throw new TarError("unexpected end of the archive: it was cut off");
    }
    if (this.#entries === 0 && this.#zeroBlocks === 0 && !this.#mayBeEmpty) {
      throw new TarError("the archive is empty");
    }
  }

  #checkTrailing(chunk: Buffer): void {
    const first = this.#trailing > 0 ? 0 : chunk.findIndex((byte) => byte !== 0);
    if (first >= 0) this.#trailing += chunk.length - first;
    if (this.#trailing > this.#maxTrailing) throw dataAfterEnd();
  }

  #header(block: Buffer): TarEntry | undefined {
    if (block.every((byte) => byte === 0)) {
      this.#zeroBlocks++;
      return undefined;
    }
    // one block of zeros is the end to some tools and not to others
    if (this.#zeroBlocks > 0) throw dataAfterEnd();
    if (!hasChecksum(block)) throw new TarError("this is not a tar archive");
    if (++this.#entries > this.#maxEntries) throw new TarError(`more than ${this.#maxEntries} entries`);
    const flag = String.fromCharCode(block[156]!);
    const ownSize = numberAt(block, 124, 12);
    if (flag === "x" || flag === "L" || flag === "K" || flag === "g") {
      if (ownSize > EXTENDED_BYTES) throw new TarError("an extended header is too large");
      this.#begin(ownSize);
      this.#extended = { type: flag, chunks: [] };
      if (ownSize === 0) this.#endExtended();
      return undefined;
    }
    if (flag === "S") throw new TarError("sparse files are not allowed");
    const { path, linkpath, size = ownSize } = this.#names;
    this.#names = {};
    const type = TYPES[flag] ?? "other";
    const name = path ?? nameOf(block);
    if (type === "file" && name.endsWith("/") && size > 0) throw new TarError("a directory has content");
    // links, devices, directories and FIFOs have no content, whatever a header says
    this.#begin(/[1-6]/.test(flag) ? 0 : size);
    return {
      name,
      type,
      size: this.#left,
      linkname: linkpath ?? text(block, 157, 100),
      executable: (numberAt(block, 100, 8) & 0o111) !== 0,
    };
  }

  #begin(size: number): void {
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  #endExtended(): void {
    if (!this.#extended) return;
    const { type, chunks } = this.#extended;
    this.#extended = undefined;
    const content = Buffer.concat(chunks);
    if (type === "L") this.#names.path = cString(content);
    else if (type === "K") this.#names.linkpath = cString(content);
    else this.#pax(content, type === "g");
  }

  #pax(content: Buffer, global: boolean): void {
    for (let at = 0; at < content.length; ) {
      const space = content.indexOf(0x20, at);
      const length = space < 0 ? Number.NaN : Number(content.toString("latin1", at, space));
      const end = at + length;
      if (
        !Number.isInteger(length) ||
        length < space - at + 3 ||
        end > content.length ||
        content[end - 1] !== 0x0a
      ) {
        throw new TarError("an extended header is malformed");
      }
      const record = content.toString("utf8", space + 1, end - 1);
      const equals = record.indexOf("=");
      const key = record.slice(0, equals);
      const value = record.slice(equals + 1);
      if (key.startsWith("GNU.sparse")) throw new TarError("sparse files are not allowed");
      if (key === "path" || key === "linkpath" || key === "size") {
        // tools differ in what these mean for all entries
        if (global) throw new TarError(`a global extended header sets ${key}`);
        if (key !== "size") this.#names[key] = value;
        else if (/^[0-9]{1,15}$/.test(value)) this.#names.size = Number(value);
        else throw new TarError("an extended header is malformed");
      }
      at = end;
    }
  }
}

function dataAfterEnd(): TarError {
  return new TarError("there is data after the end of the archive");
}

function nameOf(block: Buffer): string {
  const name = text(block, 0, 100);
  // the prefix is POSIX's; GNU keeps other things there
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? text(block, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function text(block: Buffer, start: number, length: number): string {
  return cString(block.subarray(start, start + length));
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

function hasChecksum(block: Buffer): boolean {
  const written = block
    .toString("latin1", 148, 156)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  return /^[0-7]+$/.test(written) && Number.parseInt(written, 8) === tarChecksum(block);
}

function numberAt(block: Buffer, start: number, length: number): number {
  if (block[start]! & 0x80) {
    if (block[start] !== 0x80 || block.subarray(start + 1, start + 4).some((byte) => byte !== 0)) {
      throw new TarError("a size is out of range");
    }
    const size = block.readBigUInt64BE(start + 4);
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new TarError("a size is out of range");
    return Number(size);
  }
  const digits = block
    .toString("latin1", start, start + length)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw new TarError("a size is malformed");
  return Number.parseInt(digits, 8);
}

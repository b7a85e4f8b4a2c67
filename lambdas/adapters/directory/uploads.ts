import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import {
  type Part,
  type PartLayout,
  type PartUploads,
  partBytes,
  partCount,
  type SignedUpload,
} from "../../ports/part-uploads.ts";
import { Crc32Hash } from "../crc32-hash.ts";
import { FileSink } from "./file-sink.ts";
import { decodePart, encodePart } from "./key-file-name.ts";
import { newRecord, readRecord, writeRecord } from "./part-record.ts";
import { type PartTarget, signPartUrl } from "./part-url.ts";
import { receive } from "./receive.ts";
import type { UrlSignature } from "./url-signature.ts";

/** What uploads need of the directory that they live in. */
export type UploadsHome = {
  signature: UrlSignature;
  /** directory of the key's level, and the path of its object */
  pathsOf(key: string): { level: string; object: string; name: string };
  /** a path of our own that is swept when we die */
  tempPath(): string;
  /** renames what is at `temp` to `target` and makes that durable */
  place(temp: string, target: string): Promise<void>;
  discard(target: string): Promise<void>;
  /** @throws STORAGE_FULL when so many bytes more would go below the floor */
  take(bytes: number): Promise<void>;
};

/** Parts of one level (a command's files) that come in at once: whoever has their URLs could hold any number open. */
const MOST_AT_ONCE = 32;

/** Between a key's name and the upload's id: no name of an object or a level has it. */
const MARK = "+";
const DATA = "data";
const RECORD = "parts";

/** The key part whose upload an entry of a level is, or undefined when it is none. */
export function uploadOf(entry: string): string | undefined {
  const mark = entry.lastIndexOf(MARK);
  return mark < 0 ? undefined : decodePart(entry.slice(0, mark));
}

/**
 * Uploads in parts within a {@link DirectoryStaging}. One lies beside the object that it will be, as a directory
 * `<name>+<id>` with the data, in which every part is written at its place, and the record of those that are
 * durable. So memory stays constant, nothing is copied at the end, and deleting a level takes its uploads along.
 */
export class DirectoryUploads implements PartUploads {
  readonly zstd = true;
  readonly #home: UploadsHome;
  /** parts that are being written by this process: the newest of a part ends the others */
  readonly #writing = new Map<string, { abort: AbortController; done: Promise<unknown> }>();
  /** how many of each level are being written */
  readonly #open = new Map<string, number>();

  constructor(home: UploadsHome) {
    this.#home = home;
  }

  async begin(key: string, layout: PartLayout): Promise<string> {
    partCount(layout);
    const { level, name } = this.#home.pathsOf(key);
    const id = randomBytes(12).toString("hex");
    const temp = this.#home.tempPath();
    await this.#home.take(0);
    try {
      await mkdir(temp, { mode: 0o700 });
      for (const [file, content] of [[DATA], [RECORD, newRecord(layout)]] as const) {
        await using handle = await open(path.join(temp, file), "wx", 0o600);
        if (content) await handle.writeFile(content);
        else await handle.truncate(layout.size);
        await handle.sync();
      }
      await this.#home.place(temp, path.join(level, encodePart(name) + MARK + id));
    } catch (error) {
      await rm(temp, { recursive: true, force: true });
      throw error;
    }
    return id;
  }

  async signPart(key: string, upload: string, part: Part, seconds: number): Promise<SignedUpload> {
    return { url: signPartUrl(this.#home.signature, { key, upload, part }, seconds), headers: {} };
  }

  async signWhole(key: string, content: Omit<Part, "number">, seconds: number): Promise<SignedUpload> {
    const part = { number: 0, ...content };
    return { url: signPartUrl(this.#home.signature, { key, part }, seconds), headers: {} };
  }

  async arrived(key: string, upload: string): Promise<Part[]> {
    await using record = await this.#file(key, upload, RECORD, "r");
    return record ? (await readRecord(record)).arrived : [];
  }

  async complete(key: string, upload: string, parts: Part[]): Promise<number[]> {
    const { object } = this.#home.pathsOf(key);
    const directory = this.#directory(key, upload);
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    const unlessObject = async () =>
      (await this.#isObject(object, size)) ? [] : parts.map(({ number }) => number);
    const arrived = new Map((await this.arrived(key, upload)).map((part) => [part.number, part]));
    if (arrived.size === 0) return unlessObject();
    const missing = parts.filter(({ number, size, crc32 }) => {
      const there = arrived.get(number);
      return there?.size !== size || there.crc32 !== crc32;
    });
    if (missing.length > 0) return missing.map(({ number }) => number);
    try {
      await this.#home.place(path.join(directory, DATA), object);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // another call was here before us, or died before it came to the end; or the upload was ended
      const left = await unlessObject();
      if (left.length > 0) return left;
    }
    await this.#home.discard(directory);
    return [];
  }

  /**
   * Takes in what a signed URL allows. On failure the body is left as it is.
   * @throws PerigeeError SIZE_MISMATCH, CHECKSUM_MISMATCH, STORAGE_FULL; UPLINK_NOT_FOUND when its upload has ended;
   * TOO_MANY_REQUESTS when 32 of its level are coming in
   */
  async write(target: PartTarget, body: Readable, signal?: AbortSignal): Promise<void> {
    const { level } = this.#home.pathsOf(target.key);
    const open = this.#open.get(level) ?? 0;
    if (open >= MOST_AT_ONCE) {
      throw new PerigeeError("TOO_MANY_REQUESTS", `${open} parts of the upload are coming in already`);
    }
    this.#open.set(level, open + 1);
    try {
      await this.#write(target, body, signal);
    } finally {
      const left = this.#open.get(level)! - 1;
      if (left > 0) this.#open.set(level, left);
      else this.#open.delete(level);
    }
  }

  async #write({ key, upload, part }: PartTarget, body: Readable, signal?: AbortSignal): Promise<void> {
    if (upload === undefined) return this.#writeWhole(key, part, body, signal);
    const name = `${this.#directory(key, upload)}#${part.number}`;
    const abort = new AbortController();
    const before = this.#writing.get(name);
    const signals = AbortSignal.any(signal ? [abort.signal, signal] : [abort.signal]);
    const done = (async () => {
      // A client that was cut sends the part again before we know that its first connection is dead.
      before?.abort.abort(new PerigeeError("CANCELLED", "The part is being sent again"));
      await before?.done.catch(() => undefined);
      await this.#writePart(key, upload, part, body, signals);
    })();
    const turn = { abort, done };
    this.#writing.set(name, turn);
    try {
      await done;
    } finally {
      if (this.#writing.get(name) === turn) this.#writing.delete(name);
    }
  }

  async #writePart(key: string, upload: string, part: Part, body: Readable, signal: AbortSignal) {
    await using record = await this.#file(key, upload, RECORD, "r+");
    await using data = await this.#file(key, upload, DATA, "r+");
    if (!record || !data) throw new PerigeeError("UPLINK_NOT_FOUND", "The upload has ended");
    const { layout, arrived } = await readRecord(record);
    if (part.number < 1 || part.number > partCount(layout)) throw mismatch(part);
    if (part.size !== partBytes(layout, part.number)) throw mismatch(part);
    // It is not there any more from the first byte that is written over it.
    if (arrived.some(({ number }) => number === part.number)) await writeRecord(record, part.number);
    await this.#receive(data, part, body, signal, (part.number - 1) * layout.partSize);
    await data.datasync();
    await writeRecord(record, part.number, part.crc32);
  }

  async #writeWhole(key: string, content: Part, body: Readable, signal?: AbortSignal): Promise<void> {
    const { object } = this.#home.pathsOf(key);
    const temp = this.#home.tempPath();
    try {
      await using file = await open(temp, "wx", 0o600);
      await this.#receive(file, content, body, signal, 0);
      await file.sync();
      await this.#home.place(temp, object);
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
  }

  async #receive(
    file: FileHandle,
    { size, crc32 }: Omit<Part, "number">,
    body: Readable,
    signal: AbortSignal | undefined,
    position: number,
  ): Promise<void> {
    signal?.throwIfAborted();
    const beforeWrite = (bytes: number) => this.#home.take(bytes);
    const sink = new FileSink(file.fd, { maxBytes: size, position, beforeWrite, hash: new Crc32Hash() });
    try {
      await receive(body, sink, signal);
    } catch (error) {
      if (error instanceof PerigeeError && error.code === "BODY_TOO_LARGE") throw mismatch({ size });
      throw error;
    } finally {
      await sink.idle();
    }
    if (sink.size !== size) throw mismatch({ size });
    if (sink.digest() !== crc32) {
      const message = `The CRC32 of the content is ${sink.digest()}, not ${crc32}`;
      throw new PerigeeError("CHECKSUM_MISMATCH", message);
    }
  }

  #directory(key: string, upload: string): string {
    const { level, name } = this.#home.pathsOf(key);
    if (!/^[0-9a-f]{1,64}$/.test(upload))
      throw new PerigeeError("UPLINK_NOT_FOUND", "There is no such upload");
    return path.join(level, encodePart(name) + MARK + upload);
  }

  /** A file of an upload, or undefined when there is no such upload. */
  async #file(key: string, upload: string, file: string, flags: string): Promise<FileHandle | undefined> {
    try {
      return await open(path.join(this.#directory(key, upload), file), flags);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async #isObject(object: string, size: number): Promise<boolean> {
    try {
      await using file = await open(object, "r");
      return (await file.stat()).size === size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  }
}

/** The uploads of a level whose key part begins with `rest`. */
export async function uploadsIn(level: string, rest: string): Promise<string[]> {
  const entries = await readdir(level).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  return entries.filter((entry) => uploadOf(entry)?.startsWith(rest)).map((entry) => path.join(level, entry));
}

function mismatch({ size }: { size: number }): PerigeeError {
  return new PerigeeError("SIZE_MISMATCH", `The content must have ${size} bytes`);
}

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
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
  type ResumedUpload,
  type SignedUpload,
} from "../../ports/part-uploads.ts";
import { Crc32Hash } from "../crc32-hash.ts";
import { FileSink } from "./file-sink.ts";
import { decodePart, encodePart } from "./key-file-name.ts";
import { NewestTurns } from "./newest-turns.ts";
import { newRecord, readRecord, writeRecord } from "./part-record.ts";
import { type PartTarget, signPartUrl } from "./part-url.ts";
import { mismatch, receiveChecked } from "./receive-checked.ts";
import type { UploadsHome } from "./uploads-home.ts";
import { WholeUploads } from "./whole-uploads.ts";

/** Parts of one level (a command's files) that come in at once: whoever has their URLs could hold any number open. */
const MOST_AT_ONCE = 32;

/** `from`: the body is the rest of a whole object, of which so many bytes are there (default 0) */
type WriteOptions = { from?: number; signal?: AbortSignal };

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
  readonly #wholes: WholeUploads;
  /** parts that are being written by this process */
  readonly #turns = new NewestTurns();
  /** how many of each level are being written */
  readonly #open = new Map<string, number>();

  constructor(home: UploadsHome) {
    this.#home = home;
    this.#wholes = new WholeUploads(home);
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

  async signResumed(key: string, content: Omit<Part, "number">, seconds: number): Promise<ResumedUpload> {
    const part = { number: 0, ...content };
    const url = signPartUrl(this.#home.signature, { key, part, kept: true }, seconds);
    const from = await this.#wholes.held(key, content);
    return { url, headers: {}, ...(from > 0 && { from }) };
  }

  /** Ends and forgets what is under way, or was cut, of objects whose keys begin with `prefix`. */
  forget(prefix: string): Promise<void> {
    return this.#wholes.forget(prefix);
  }

  /** Gives up what is only there to save sending again. @returns whether there was any */
  makeRoom(): Promise<boolean> {
    return this.#wholes.kept.dropAll();
  }

  async arrived(key: string, upload: string): Promise<Part[]> {
    await using record = await this.#file(key, upload, RECORD, "r");
    // placed already: of its records a power cut may have left only some
    if (!record || !existsSync(path.join(this.#directory(key, upload), DATA))) return [];
    return (await readRecord(record)).arrived;
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
   * RANGE_NOT_SATISFIABLE when the bytes before it are not there; TOO_MANY_REQUESTS when 32 of its level are coming in
   */
  async write(target: PartTarget, body: Readable, options: WriteOptions = {}): Promise<void> {
    const { level } = this.#home.pathsOf(target.key);
    const open = this.#open.get(level) ?? 0;
    if (open >= MOST_AT_ONCE) {
      throw new PerigeeError("TOO_MANY_REQUESTS", `${open} parts of the upload are coming in already`);
    }
    this.#open.set(level, open + 1);
    try {
      await this.#write(target, body, options);
    } finally {
      const left = this.#open.get(level)! - 1;
      if (left > 0) this.#open.set(level, left);
      else this.#open.delete(level);
    }
  }

  async #write(target: PartTarget, body: Readable, { from = 0, signal }: WriteOptions): Promise<void> {
    const { key, upload, part } = target;
    if (upload === undefined) return this.#wholes.write(target, from, body, signal);
    if (from > 0) throw new PerigeeError("RANGE_NOT_SATISFIABLE", "A part of an upload comes whole");
    const name = `${this.#directory(key, upload)}#${part.number}`;
    return this.#turns.run(name, (ended) => this.#writePart(key, upload, part, body, ended), signal);
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
    const position = (part.number - 1) * layout.partSize;
    const beforeWrite = (bytes: number) => this.#home.take(bytes);
    const options = { maxBytes: part.size, position, beforeWrite, hash: new Crc32Hash() };
    await receiveChecked(new FileSink(data.fd, options), part, body, signal);
    await data.datasync();
    await writeRecord(record, part.number, part.crc32);
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

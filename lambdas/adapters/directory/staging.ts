import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import { isRunning, processMark } from "../../ports/process-mark.ts";
import type { ListedObject, Staging, StoredObject } from "../../ports/staging.ts";
import { compareKeys, keyParts, prefixParts } from "../../ports/staging-key.ts";
import { noSuchObject } from "../no-such-object.ts";
import { isErrno, isMissing } from "./errno.ts";
import { FileSink } from "./file-sink.ts";
import { FreeSpace, storageFull } from "./free-space.ts";
import { encodePart, objectName } from "./key-file-name.ts";
import { linkOrCopy } from "./link-or-copy.ts";
import { type PartTarget, verifyPartUrl } from "./part-url.ts";
import { piecesOf } from "./pieces.ts";
import { receive } from "./receive.ts";
import { syncDirectory } from "./sync-directory.ts";
import { DirectoryUploads, uploadsIn } from "./uploads.ts";
import { type SignedMethod, UrlSignature } from "./url-signature.ts";
import { type ObjectFile, readLevel, statObject, statObjects, walkLevel } from "./walk-objects.ts";

const READ_BYTES = 512 * KiB;
const STATS_AT_ONCE = 64;
const DURABLE_LEVELS = 10_000;

export type DirectoryStagingOptions = {
  /** signs URLs; at least 32 bytes, the same for all who serve this directory */
  secret: string | Uint8Array;
  /** bytes that stay free on the file system (default LIMITS.freeFloorBytes) */
  freeFloorBytes?: number;
  /** ms since 1970, for the expiry of URLs */
  now?: () => number;
};

/**
 * Staging in a directory: `objects/` mirrors the keys (and holds the uploads in parts beside what they will be),
 * `tmp/` holds what is being written or deleted, one
 * directory per process. An object appears by rename, after its content is on disk, so that no crash leaves
 * half of one.
 */
export class DirectoryStaging implements Staging {
  readonly parts: DirectoryUploads;
  readonly #objects: string;
  readonly #tmp: string;
  readonly #space: FreeSpace;
  readonly #signature: UrlSignature;
  /** levels whose own names are known to be on disk; emptied whenever a level is made or goes */
  readonly #durable = new Set<string>();

  readonly signedPut = { lengthNeeded: false, mostBytes: Number.MAX_SAFE_INTEGER };

  private constructor(root: string, options: DirectoryStagingOptions) {
    this.#objects = path.join(root, "objects");
    this.#tmp = path.join(root, "tmp", processMark(process.pid) ?? String(process.pid));
    this.#space = new FreeSpace(root, options.freeFloorBytes ?? LIMITS.freeFloorBytes);
    this.#signature = new UrlSignature(options.secret, options.now);
    this.parts = new DirectoryUploads({
      signature: this.#signature,
      pathsOf: (key) => {
        const parts = keyParts(key);
        const object = this.#objectPath(parts);
        return { level: path.dirname(object), object, name: parts.at(-1)! };
      },
      tempPath: () => this.#tempPath(),
      place: (temp, target) => this.#place(temp, target),
      discard: (target) => this.#discard(target),
      take: (bytes) => this.#take(bytes),
    });
  }

  /** Opens or makes the directory and sweeps what processes that have died left half written. */
  static async open(root: string, options: DirectoryStagingOptions): Promise<DirectoryStaging> {
    const staging = new DirectoryStaging(path.resolve(root), options);
    await mkdir(staging.#objects, { recursive: true, mode: 0o700 });
    await mkdir(staging.#tmp, { recursive: true, mode: 0o700 });
    const tmp = path.dirname(staging.#tmp);
    for (const mark of await readdir(tmp)) {
      if (!isRunning(mark)) await rm(path.join(tmp, mark), { recursive: true, force: true });
    }
    return staging;
  }

  async put(
    key: string,
    body: Readable | Uint8Array,
    options: { maxBytes: number; signal?: AbortSignal },
  ): Promise<StoredObject> {
    const parts = keyParts(key);
    options.signal?.throwIfAborted();
    const temp = this.#tempPath();
    try {
      await this.#take(0);
      const stored = await this.#write(temp, body, options);
      options.signal?.throwIfAborted();
      await this.#place(temp, this.#objectPath(parts));
      return stored;
    } catch (error) {
      await unlink(temp).catch(() => {});
      throw isErrno(error, "ENOSPC", "EDQUOT") ? storageFull(error) : error;
    }
  }

  copy(from: string, to: string): Promise<number> {
    return this.copyFrom(this, from, to);
  }

  /** As {@link copy}, out of another directory. @throws PerigeeError FILE_NOT_FOUND, STORAGE_FULL */
  async copyFrom(of: DirectoryStaging, from: string, to: string): Promise<number> {
    const [source, target] = [of.#objectPath(keyParts(from)), this.#objectPath(keyParts(to))];
    const temp = this.#tempPath();
    try {
      await linkOrCopy(source, temp, (bytes) => this.#take(bytes));
      const { size } = await stat(temp);
      await this.#place(temp, target);
      return size;
    } catch (error) {
      throw isMissing(error) ? noSuchObject() : error;
    } finally {
      // of two names of one file, renaming one to the other removes neither
      await unlink(temp).catch(() => {});
    }
  }

  async get(key: string, range?: { start: number; end: number }): Promise<{ body: Readable; size: number }> {
    const { file, start, size } = await this.openFile(key, range);
    // an empty stream: `end` would be before `start`
    const part = size === 0 ? {} : { start, end: start + size - 1 };
    return { body: file.createReadStream({ ...part, highWaterMark: READ_BYTES }), size };
  }

  async pieces(key: string): Promise<AsyncIterable<Uint8Array>> {
    return piecesOf((await this.openFile(key)).file);
  }

  /** As get(), for who reads the file himself: `size` bytes from `start` on. Who opens it closes it. */
  async openFile(
    key: string,
    range?: { start: number; end: number },
  ): Promise<{ file: FileHandle; start: number; size: number }> {
    const file = await open(this.#objectPath(keyParts(key)), "r").catch((error) => {
      throw isMissing(error) ? noSuchObject() : error;
    });
    try {
      const { size } = await file.stat();
      const start = range?.start ?? 0;
      const end = Math.min(range?.end ?? size - 1, size - 1);
      if (range && (start < 0 || start >= size || end < start)) {
        throw new PerigeeError("RANGE_NOT_SATISFIABLE", "The range lies outside the object");
      }
      return { file, start, size: end - start + 1 };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async head(key: string): Promise<ListedObject | undefined> {
    return statObject(key, this.#objectPath(keyParts(key)));
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<ListedObject[]> {
    const limit = options.limit ?? 1000;
    const listed: ListedObject[] = [];
    let batch: ObjectFile[] = [];
    const settle = async () => {
      listed.push(...(await statObjects(batch)));
      batch = [];
    };
    if (limit <= 0) return listed;
    for await (const entry of this.#walk(prefix, options.after)) {
      batch.push(entry);
      if (batch.length >= Math.min(STATS_AT_ONCE, limit - listed.length)) await settle();
      if (listed.length >= limit) break;
    }
    await settle();
    return listed;
  }

  async listNames(prefix: string): Promise<string[]> {
    const { parts, rest } = prefixParts(prefix);
    if (rest !== "") throw new PerigeeError("INVALID_PATH", "The prefix does not end in a slash");
    const names = (await readLevel(this.#levelPath(parts))).map(({ part }) => part);
    return [...new Set(names)].sort(compareKeys);
  }

  async remove(key: string): Promise<void> {
    await this.#discard(this.#objectPath(keyParts(key)));
  }

  async deletePrefix(prefix: string): Promise<void> {
    const { parts, rest } = prefixParts(prefix);
    if (prefix === "") throw new PerigeeError("INVALID_PATH", "The prefix is empty");
    await this.parts.forget(prefix);
    const level = this.#levelPath(parts);
    if (rest === "") await this.#discard(level);
    else {
      for (const entry of await readLevel(level)) {
        if (entry.part.startsWith(rest)) await this.#discard(path.join(level, entry.name));
      }
      for (const upload of await uploadsIn(level, rest)) await this.#discard(upload);
      await this.#prune(level);
    }
  }

  /** @throws STORAGE_FULL when so many bytes more would go below the floor */
  async #take(bytes: number): Promise<void> {
    try {
      await this.#space.take(bytes);
    } catch (error) {
      const isFull = error instanceof PerigeeError && error.code === "STORAGE_FULL";
      if (!isFull || !(await this.parts.makeRoom())) throw error;
      await this.#space.take(bytes);
    }
  }

  async usage(prefix: string): Promise<number> {
    let bytes = 0;
    let batch: ObjectFile[] = [];
    const settle = async () => {
      for (const { size } of await statObjects(batch)) bytes += size;
      batch = [];
    };
    for await (const entry of this.#walk(prefix)) if (batch.push(entry) >= STATS_AT_ONCE) await settle();
    await settle();
    return bytes;
  }

  async signGet(key: string, seconds: number): Promise<string> {
    return this.#sign("GET", key, seconds, 0);
  }

  /** None: its URLs are relative. */
  async origins(): Promise<readonly string[]> {
    return [];
  }

  async signPut(key: string, seconds: number, maxBytes: number): Promise<string> {
    return this.#sign("PUT", key, seconds, maxBytes);
  }

  /**
   * Checks a signed URL's query.
   * @throws PerigeeError SIGNATURE_INVALID
   */
  verify(method: SignedMethod, key: string, query: URLSearchParams): { maxBytes: number } {
    requireKey(key);
    return this.#signature.verify(method, key, query);
  }

  /**
   * What the query of a signed URL lets PUT, when it is one of {@link PartUploads}.
   * @throws PerigeeError SIGNATURE_INVALID
   */
  verifyPart(key: string, query: URLSearchParams): PartTarget | undefined {
    requireKey(key);
    return verifyPartUrl(this.#signature, key, query);
  }

  #sign(method: SignedMethod, key: string, seconds: number, maxBytes: number): string {
    const path = keyParts(key).map(encodeURIComponent).join("/");
    return `/staging/${path}?${this.#signature.sign(method, key, seconds, maxBytes)}`;
  }

  #levelPath(parts: string[]): string {
    return path.join(this.#objects, ...parts.map(encodePart));
  }

  #objectPath(parts: string[]): string {
    return path.join(this.#levelPath(parts.slice(0, -1)), objectName(parts.at(-1)!));
  }

  #tempPath(): string {
    return path.join(this.#tmp, randomBytes(12).toString("hex"));
  }

  /** Writes and fsyncs a temporary file. */
  async #write(
    temp: string,
    body: Readable | Uint8Array,
    options: { maxBytes: number; signal?: AbortSignal },
  ): Promise<StoredObject> {
    const handle = await open(temp, "wx", 0o600);
    try {
      const sink = new FileSink(handle.fd, {
        maxBytes: options.maxBytes,
        beforeWrite: (bytes) => this.#take(bytes),
      });
      try {
        await receive(body, sink, options.signal);
      } finally {
        await sink.idle();
      }
      await handle.sync();
      return { size: sink.size, xxh64: sink.digest() };
    } finally {
      await handle.close();
    }
  }

  /** Renames what was written to its place and makes that durable. */
  async #place(temp: string, target: string): Promise<void> {
    const level = path.dirname(target);
    for (let attempt = 0; ; attempt++) {
      if (await mkdir(level, { recursive: true, mode: 0o700 })) this.#durable.clear();
      try {
        await rename(temp, target);
      } catch (error) {
        // a deletePrefix beside us may take the level away between the two
        if (isMissing(error) && attempt < 100) continue;
        throw error;
      }
      try {
        await this.#syncLevel(level);
      } catch (error) {
        // taken away again already
        if (isMissing(error)) return;
        await rm(target, { recursive: true, force: true }).catch(() => {});
        throw error;
      }
      return;
    }
  }

  /** fsyncs a level, and once those above it: a name is durable only when every directory over it is. */
  async #syncLevel(level: string): Promise<void> {
    await syncDirectory(level);
    if (this.#durable.has(level)) return;
    for (let at = level; at !== this.#objects; ) {
      at = path.dirname(at);
      await syncDirectory(at);
    }
    if (this.#durable.size >= DURABLE_LEVELS) this.#durable.clear();
    this.#durable.add(level);
  }

  /** Takes a file or a whole level away at once, then deletes it: a crash in between is swept at the next start. */
  async #discard(target: string): Promise<void> {
    const temp = this.#tempPath();
    this.#durable.clear();
    try {
      await rename(target, temp);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await rm(temp, { recursive: true, force: true });
    await this.#prune(path.dirname(target));
  }

  /** Removes levels that have become empty, upwards. */
  async #prune(level: string): Promise<void> {
    for (let at = level; at.startsWith(this.#objects + path.sep); at = path.dirname(at)) {
      try {
        await rmdir(at);
      } catch (error) {
        if (!isErrno(error, "ENOENT")) return;
      }
    }
  }

  /** Objects under a prefix in key order, after `after`. */
  async *#walk(prefix: string, after?: string): AsyncGenerator<ObjectFile> {
    const { parts, rest } = prefixParts(prefix);
    yield* walkLevel(this.#levelPath(parts), parts.map((part) => `${part}/`).join(""), rest, after);
  }
}

/** Nobody signed what is no key, or holds the line ends that keep signed fields apart. @throws SIGNATURE_INVALID */
function requireKey(key: string): void {
  try {
    keyParts(key);
  } catch (cause) {
    throw new PerigeeError("SIGNATURE_INVALID", "The URL is not signed for this", { cause });
  }
}

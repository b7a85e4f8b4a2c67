import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import { xxh64 } from "@node-rs/xxhash";
import type { Part, PartUploads, SignedUpload } from "#lambdas/ports/part-uploads.ts";
import type { ListedObject, Staging, StoredObject } from "#lambdas/ports/staging.ts";
import { PerigeeError } from "#protocol/errors.ts";

/** Objects by key, which outlive who opens them. */
export type MemoryObjects = Map<string, Buffer>;

/** Staging in memory: each call is one turn of the event loop. Objects come whole only, there are no parts. */
export class MemoryStaging implements Staging {
  readonly signedPut = { lengthNeeded: true, mostBytes: 2 ** 40 };
  readonly parts: PartUploads;
  readonly #objects: MemoryObjects;

  constructor(objects: MemoryObjects) {
    this.#objects = objects;
    const none = () => Promise.reject(new Error("no object comes in parts here"));
    this.parts = {
      signWhole: async (key, content) => signed(key, content),
      ...{ begin: none, signPart: none, arrived: none, complete: none },
    };
  }

  /** A PUT to a URL of `signWhole`. @returns the key */
  async upload(url: string, bytes: Buffer): Promise<string> {
    await turn();
    const [key, size, crc] = JSON.parse(url) as [string, number, string];
    if (bytes.length !== size || hex(crc32(bytes)) !== crc) {
      throw new PerigeeError("CHECKSUM_MISMATCH", "That is not what the URL was signed for");
    }
    this.#objects.set(key, bytes);
    return key;
  }

  async put(
    key: string,
    body: Readable | Uint8Array,
    { maxBytes }: { maxBytes: number },
  ): Promise<StoredObject> {
    const bytes = body instanceof Readable ? await buffer(body) : Buffer.from(body);
    await turn();
    if (bytes.length > maxBytes) throw new PerigeeError("BODY_TOO_LARGE", "More bytes than there may be");
    this.#objects.set(key, bytes);
    return { size: bytes.length, xxh64: xxh64(bytes).toString(16).padStart(16, "0") };
  }

  async get(key: string, range?: { start: number; end: number }): Promise<{ body: Readable; size: number }> {
    await turn();
    const bytes = this.#object(key).subarray(range?.start ?? 0, (range?.end ?? Number.MAX_SAFE_INTEGER) + 1);
    return { body: Readable.from([bytes], { objectMode: false }), size: bytes.length };
  }

  async pieces(key: string): Promise<AsyncIterable<Uint8Array>> {
    return (await this.get(key)).body;
  }

  async head(key: string): Promise<ListedObject | undefined> {
    await turn();
    const bytes = this.#objects.get(key);
    return bytes && { key, size: bytes.length, modified: 0 };
  }

  async copy(from: string, to: string): Promise<number> {
    await turn();
    this.#objects.set(to, this.#object(from));
    return this.#object(to).length;
  }

  async list(
    prefix: string,
    { after = "", limit = 1000 }: { after?: string; limit?: number } = {},
  ): Promise<ListedObject[]> {
    await turn();
    const keys = this.#below(prefix).filter((key) => key > after);
    return keys.slice(0, limit).map((key) => ({ key, size: this.#objects.get(key)!.length, modified: 0 }));
  }

  async listNames(prefix: string): Promise<string[]> {
    await turn();
    return [...new Set(this.#below(prefix).map((key) => key.slice(prefix.length).split("/")[0]!))];
  }

  async remove(key: string): Promise<void> {
    await turn();
    this.#objects.delete(key);
  }

  async deletePrefix(prefix: string): Promise<void> {
    await turn();
    for (const key of this.#below(prefix)) this.#objects.delete(key);
  }

  async usage(prefix: string): Promise<number> {
    await turn();
    return this.#below(prefix).reduce((sum, key) => sum + this.#objects.get(key)!.length, 0);
  }

  async signGet(key: string): Promise<string> {
    return key;
  }

  async origins(): Promise<readonly string[]> {
    return [];
  }

  async signPut(): Promise<string> {
    throw new Error("not expected here");
  }

  #below(prefix: string): string[] {
    return [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  #object(key: string): Buffer {
    const bytes = this.#objects.get(key);
    if (!bytes) throw new PerigeeError("FILE_NOT_FOUND", "There is no such object");
    return bytes;
  }
}

function signed(key: string, { size, crc32: crc }: Omit<Part, "number">): SignedUpload {
  return { url: JSON.stringify([key, size, crc]), headers: {} };
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

/** Others have their turn between any two calls. */
function turn(): Promise<void> {
  return new Promise(setImmediate);
}

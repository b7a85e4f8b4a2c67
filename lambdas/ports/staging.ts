import type { Readable } from "node:stream";
import type { PartUploads } from "./part-uploads.ts";

/**
 * Object storage between ground and edge. Keys:
 * `uplink/<user>/<pod_name or _>/<command>/<n>`, `downlink/<user>/<pod_name or _>/<command>/<epoch>.<n>`,
 * `downlink/<user>/_/<command>/<transfer>.<n>` (or chunks in such a level),
 * `kept/<user>/<dialect>/…` (its owner deletes it: see `keptPrefix`), `hub/<uid>/<command>` and other prefixes of dialects,
 * `logs/<edge>/<user>/<pod>/<run>/<offset>-<seq>`; what a key may be is in staging-key.ts, and every method
 * throws PerigeeError INVALID_PATH for any other. Streams only: memory does not grow with the object.
 */
export type StoredObject = {
  size: number;
  /** XXH64 (seed 0) of the content, 16 hex digits */
  xxh64: string;
};
export type ListedObject = { key: string; size: number; modified: number };

/** Headers of the answer to a signed URL: `Content-Type`, `Content-Disposition`. */
export type SignedHead = { type: string; disposition: string };

export interface Staging {
  /**
   * Stores an object: whole and durable when it returns, absent when it throws. Of several at once on one
   * key the last to end stays. On failure `body` is left as it is, neither destroyed nor drained: it may be
   * a request that still has to be answered. `signal` aborts with its reason.
   * @throws PerigeeError BODY_TOO_LARGE over `maxBytes`, STORAGE_FULL at the free-space floor
   */
  put(
    key: string,
    body: Readable | Uint8Array,
    options: { maxBytes: number; signal?: AbortSignal },
  ): Promise<StoredObject>;
  /**
   * Opens an object, or a part of it (`start`, `end` inclusive; an `end` past the object is cut). `size` is
   * how many bytes `body` will give. Who opens it destroys or drains it.
   * @throws PerigeeError FILE_NOT_FOUND, RANGE_NOT_SATISFIABLE when `start` is not inside the object
   *
   * @example The first KiB, or less where the object is smaller.
   * const { body, size } = await staging.get(key, { start: 0, end: 1023 });
   * await pipeline(body, destination);
   */
  get(key: string, range?: { start: number; end: number }): Promise<{ body: Readable; size: number }>;
  /**
   * Opens an object for who is done with each piece of it before he asks for the next, as that may overwrite it: whatever
   * the object's size, it takes no more memory than a few pieces. Who leaves it early ends it (`return`).
   * @throws PerigeeError FILE_NOT_FOUND
   */
  pieces(key: string): Promise<AsyncIterable<Uint8Array>>;
  head(key: string): Promise<ListedObject | undefined>;
  /**
   * Stores the content of one object under another key too, without its bytes passing through the ground; the two
   * then live apart. Doing it again changes nothing.
   * @param size its bytes, where they are known for certain: S3 need not be asked for them
   * @returns its bytes
   * @throws PerigeeError FILE_NOT_FOUND, STORAGE_FULL
   */
  copy(from: string, to: string, size?: number): Promise<number>;
  /**
   * Objects whose key begins with `prefix` in key order (bytewise), after `after`, at most `limit` (default 1000).
   *
   * @example A level's objects, and those behind its first page.
   * const page = await staging.list("uplink/ada/pod/");
   * const more = await staging.list("uplink/ada/pod/", { after: page.at(-1)?.key });
   */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<ListedObject[]>;
  /** Names one level under a prefix ending in `/`, without the slash, in order. */
  listNames(prefix: string): Promise<string[]>;
  /** Deletes the object of exactly this key, and nothing else; one that is not there is no error. */
  remove(key: string): Promise<void>;
  /**
   * Deletes every object whose key begins with `prefix`, and ends the uploads in parts of such keys; nothing
   * there is no error. End it with a slash
   * unless it is a whole key: `uplink/ann` is the beginning of `uplink/anna/…` too.
   */
  deletePrefix(prefix: string): Promise<void>;
  /** Bytes of the objects whose key begins with `prefix`. */
  usage(prefix: string): Promise<number>;
  /**
   * URL to read the object once signed, for `seconds`. A relative one is relative to the ground's address. A
   * store that can answers with the headers of `head`.
   */
  signGet(key: string, seconds: number, head?: SignedHead): Promise<string>;
  /** Origins of the signed URLs that are not relative: a page of ours has to be allowed to ask them. */
  origins(): Promise<readonly string[]>;
  /** What a PUT to a signed URL has to keep to. */
  readonly signedPut: { lengthNeeded: boolean; mostBytes: number };
  /**
   * URL to PUT the object, at most `maxBytes`. Not every storage holds that bound by itself: who signed one
   * looks at the size (`head`) before he believes in the object.
   */
  signPut(key: string, seconds: number, maxBytes: number): Promise<string>;
  /** Objects that come in parts. */
  readonly parts: PartUploads;
}

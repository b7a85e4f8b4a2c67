import type { Readable } from "node:stream";

/**
 * Object storage between ground and edge. Keys:
 * `uplink/<user>/<pod_name or _>/<command>/<n>`, `downlink/<user>/<pod_name or _>/<command>/<n>`,
 * `logs/<edge>/<user>/<pod>/<run>/<seq>`. Streams only: memory does not grow with the object.
 */
export type StoredObject = {
  size: number;
  /** XXH64 (seed 0) of the content, 16 hex digits */
  xxh64: string;
};
export type ListedObject = { key: string; size: number; modified: number };

export interface Staging {
  /**
   * Stores an object: whole and durable when it returns, absent when it throws.
   * @throws PerigeeError BODY_TOO_LARGE over `maxBytes`, STORAGE_FULL at the free-space floor
   */
  put(
    key: string,
    body: Readable | Uint8Array,
    options: { maxBytes: number; signal?: AbortSignal },
  ): Promise<StoredObject>;
  /**
   * Opens an object, or a part of it (`start`, `end` inclusive).
   * @throws PerigeeError FILE_NOT_FOUND
   */
  get(key: string, range?: { start: number; end: number }): Promise<{ body: Readable; size: number }>;
  head(key: string): Promise<ListedObject | undefined>;
  /** Objects under a prefix in key order (bytewise), after `after`, at most `limit` (default 1000). */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<ListedObject[]>;
  /** Names one level under a prefix ending in `/`, without the slash, in order. */
  listNames(prefix: string): Promise<string[]>;
  /** Deletes everything under a prefix; nothing there is no error. */
  deletePrefix(prefix: string): Promise<void>;
  /** Bytes under a prefix. */
  usage(prefix: string): Promise<number>;
  /** URL to read the object once signed, for `seconds`. A relative one is relative to the ground's address. */
  signGet(key: string, seconds: number): Promise<string>;
  /** URL to PUT the object, at most `maxBytes`. */
  signPut(key: string, seconds: number, maxBytes: number): Promise<string>;
}

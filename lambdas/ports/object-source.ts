import type { Readable } from "node:stream";

/** A user's file in one of the user's buckets. `owner` is the account's uid; `key` is opaque, never a path. */
export type ObjectName = { owner: string; bucket: string; key: string };

/** `size` in bytes, `modified` in ms since 1970. */
export type UserObject = { key: string; size: number; modified: number };

/**
 * Users' buckets in the deployment's own storage. Objects are there until they are removed, and appear whole or not at
 * all. A name that breaks the rules of its parts is INVALID_PATH.
 */
export interface ObjectSource {
  /**
   * Stores an object, whole and durable when it returns; of several at once on one name the last to end stays.
   * @throws PerigeeError BODY_TOO_LARGE over `maxBytes`, STORAGE_FULL at the free-space floor
   */
  put(
    name: ObjectName,
    body: Readable | Uint8Array,
    options: { maxBytes: number; signal?: AbortSignal },
  ): Promise<{ size: number }>;
  /**
   * Opens an object, or a part of it (`start`, `end` inclusive; an `end` past the object is cut); `size` is how many bytes
   * `body` will give. Who opens it destroys or drains it.
   * @throws PerigeeError FILE_NOT_FOUND, RANGE_NOT_SATISFIABLE when `start` is not inside the object
   */
  get(name: ObjectName, range?: { start: number; end: number }): Promise<{ body: Readable; size: number }>;
  head(name: ObjectName): Promise<UserObject | undefined>;
  /** The objects of a bucket in the order of their keys (bytewise), at most `limit`. */
  list(owner: string, bucket: string, limit: number): Promise<UserObject[]>;
  /** Removes an object; one that is not there is no error. */
  remove(name: ObjectName): Promise<void>;
  /** Removes all that an owner has. */
  removeAll(owner: string): Promise<void>;
  /** Bytes of all objects of an owner. */
  usage(owner: string): Promise<number>;
  /**
   * Keeps an object's content as it is now under a key of staging, without its bytes passing through the ground:
   * whatever becomes of the object afterwards, that content is one that it had, whole.
   * @returns its bytes; undefined when there is no such object
   * @throws PerigeeError STORAGE_FULL
   */
  pin(name: ObjectName, stagingKey: string): Promise<number | undefined>;
  /**
   * The way back: what is staged under a key becomes the object's content, whole and durable when it returns. Doing it
   * again changes nothing.
   * @returns its bytes; undefined when nothing is staged there
   * @throws PerigeeError STORAGE_FULL
   */
  adopt(name: ObjectName, stagingKey: string): Promise<number | undefined>;
}

import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import type { ObjectName, ObjectSource, UserObject } from "../ports/object-source.ts";
import type { Staging } from "../ports/staging.ts";
import { compareKeys } from "../ports/staging-key.ts";

const OWNER = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const KEY = /^[A-Za-z0-9_./-]{1,64}$/;
/** more than a bucket may hold, so that a listing can be put into the order of its keys */
const MOST_LISTED = 10_000;

export type StoredObjectsDeps = {
  /** a store of its own: nothing else is in it */
  store: Pick<Staging, "put" | "get" | "head" | "list" | "remove" | "deletePrefix" | "usage">;
  /** as Staging.copy, from the store into staging */
  toStaging(from: string, stagingKey: string): Promise<number>;
  /** the same from staging into the store */
  fromStaging(stagingKey: string, to: string): Promise<number>;
};

/**
 * Users' objects in a store of the kind that staging is, under `<owner>/<bucket>/=<key>`. The slashes of a key become
 * `~`, which no key holds: with the `=` before it any key is one part, and never `..` or empty.
 */
export class StoredObjects implements ObjectSource {
  readonly #deps: StoredObjectsDeps;

  constructor(deps: StoredObjectsDeps) {
    this.#deps = deps;
  }

  async put(
    name: ObjectName,
    body: Readable | Uint8Array,
    options: { maxBytes: number; signal?: AbortSignal },
  ): Promise<{ size: number }> {
    const { size } = await this.#deps.store.put(pathOf(name), body, options);
    return { size };
  }

  get(name: ObjectName, range?: { start: number; end: number }): Promise<{ body: Readable; size: number }> {
    return this.#deps.store.get(pathOf(name), range);
  }

  async head(name: ObjectName): Promise<UserObject | undefined> {
    const head = await this.#deps.store.head(pathOf(name));
    return head && { ...head, key: name.key };
  }

  async list(owner: string, bucket: string, limit: number): Promise<UserObject[]> {
    const prefix = `${levelOf(owner, bucket)}=`;
    const listed = await this.#deps.store.list(prefix, { limit: MOST_LISTED });
    return listed
      .map((object) => ({ ...object, key: object.key.slice(prefix.length).replaceAll("~", "/") }))
      .sort((one, other) => compareKeys(one.key, other.key))
      .slice(0, limit);
  }

  remove(name: ObjectName): Promise<void> {
    return this.#deps.store.remove(pathOf(name));
  }

  removeAll(owner: string): Promise<void> {
    return this.#deps.store.deletePrefix(levelOf(owner));
  }

  usage(owner: string): Promise<number> {
    return this.#deps.store.usage(levelOf(owner));
  }

  async pin(name: ObjectName, stagingKey: string): Promise<number | undefined> {
    return ifThere(this.#deps.toStaging(pathOf(name), stagingKey));
  }

  async adopt(name: ObjectName, stagingKey: string): Promise<number | undefined> {
    return ifThere(this.#deps.fromStaging(stagingKey, pathOf(name)));
  }
}

/** Undefined when there was nothing to copy. */
async function ifThere(copied: Promise<number>): Promise<number | undefined> {
  try {
    return await copied;
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "FILE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** @throws INVALID_PATH */
function levelOf(owner: string, bucket?: string): string {
  if (!OWNER.test(owner)) throw new PerigeeError("INVALID_PATH", "The owner is no uid");
  if (bucket === undefined) return `${owner}/`;
  if (!BUCKET.test(bucket)) throw new PerigeeError("INVALID_PATH", "The bucket's name breaks its rules");
  return `${owner}/${bucket}/`;
}

/** @throws INVALID_PATH */
function pathOf({ owner, bucket, key }: ObjectName): string {
  const level = levelOf(owner, bucket);
  if (!KEY.test(key)) throw new PerigeeError("INVALID_PATH", "The object's name breaks its rules");
  return `${level}=${key.replaceAll("/", "~")}`;
}

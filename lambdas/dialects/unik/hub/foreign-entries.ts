import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import { USER } from "#protocol/names.ts";
import { type ForeignBucket, ForeignBucketFailed } from "../../../ports/foreign-buckets.ts";
import type { DialectCore } from "../../core.ts";
import { type ForeignHub, notAllowed } from "./hub-of.ts";
import { type PulledImage, readImageJson } from "./image-json.ts";

/** An image in a hub elsewhere: as its `latest.json` tells of it, which is written last. */
export type ForeignEntry = {
  user: string;
  image: PulledImage;
  /** what the hub says of its archive */
  bytes: number;
  /** of the archive that it was written for; undefined where nobody has said */
  xxh64: string | undefined;
};

type Of = { user: string; name: string };

const MOST_JSON = 256 * KiB;
/** Name of the metadata that joins `latest.json` to its archive. */
const ARCHIVE = "perigee-xxh64";
const LOOKED_AT_ONCE = 8;

/** The entries of a hub elsewhere, for one call. Its failures are worded for whoever asked, without anything of the keys. */
export class ForeignEntries {
  readonly #bucket: ForeignBucket;
  readonly #hub: Pick<ForeignHub, "url">;
  /** begins the keys of all entries, and ends in a slash */
  readonly #root: string;

  constructor(bucket: ForeignBucket, { url, prefix }: Pick<ForeignHub, "prefix" | "url">) {
    this.#bucket = bucket;
    this.#hub = { url };
    this.#root = `${prefix === "" ? "" : `${prefix}/`}unik-hub/`;
  }

  /** @throws HUB_NOT_ALLOWED when an address of its host is none to connect to, HUB_FAILED */
  static async open({ foreignBuckets }: Pick<DialectCore, "foreignBuckets">, hub: ForeignHub) {
    const bucket = await worded(hub, foreignBuckets!(hub.place, hub.keys));
    return new ForeignEntries(bucket, hub);
  }

  close(): void {
    this.#bucket.close();
  }

  /** Replaces an entry: the archive first. Cut short, it leaves the entry as it was, or one that is not found. */
  async put(of: Of, archive: { body: Readable; size: number; xxh64: string }, image: object): Promise<void> {
    const key = this.#key(of);
    await this.#worded(this.#bucket.put(key, archive.body, archive.size));
    const json = Buffer.from(JSON.stringify(image));
    await this.#worded(this.#bucket.putSmall(`${key}.json`, json, { [ARCHIVE]: archive.xxh64 }));
  }

  /** @returns undefined where there is none. @throws HUB_FAILED for one that tells of no image */
  async find(of: Of): Promise<ForeignEntry | undefined> {
    const key = this.#key(of);
    const [json, bytes] = await this.#worded(
      Promise.all([this.#bucket.getSmall(`${key}.json`, MOST_JSON), this.#bucket.size(key)]),
    );
    if (!json || bytes === undefined) return undefined;
    const image = readImageJson(json.bytes);
    if (!image) throw hubFailed(this.#hub.url, `what it tells of ${of.user}/${of.name} is no image`);
    return { user: of.user, image, bytes, xxh64: json.about[ARCHIVE] };
  }

  /**
   * Users who have an entry of that name, as far as the hub's listing goes.
   * @returns undefined where it lists nothing to these keys, or more users than can be looked at
   */
  async owners(name: string): Promise<string[] | undefined> {
    let listed: Awaited<ReturnType<ForeignBucket["names"]>>;
    try {
      listed = await this.#bucket.names(this.#root);
    } catch (error) {
      if (error instanceof ForeignBucketFailed && error.kind === "refused") return undefined;
      throw wording(this.#hub, error);
    }
    if (!listed.isWhole) return undefined;
    const users = listed.names.filter((user) => USER.test(user));
    const owners: string[] = [];
    while (users.length > 0) {
      const some = users.splice(0, LOOKED_AT_ONCE);
      const sizes = await this.#worded(
        Promise.all(some.map((user) => this.#bucket.size(`${this.#key({ user, name })}.json`))),
      );
      owners.push(...some.filter((_, n) => sizes[n] !== undefined));
    }
    return owners;
  }

  /** Opens an archive; its errors come worded. Undefined where it is gone. */
  async archive(of: Of): Promise<Readable | undefined> {
    return this.#worded(this.#bucket.get(this.#key(of)));
  }

  /** Removes an entry, and an archive that a push has left without one. @returns whether it was there */
  async remove(of: Of): Promise<boolean> {
    const key = this.#key(of);
    const found = await this.#worded(this.#bucket.size(`${key}.json`));
    await this.#worded(this.#bucket.remove(`${key}.json`));
    await this.#worded(this.#bucket.remove(key));
    return found !== undefined;
  }

  /** @returns what an error of the archive's bytes means, too */
  failed(error: unknown): unknown {
    return wording(this.#hub, error);
  }

  #key({ user, name }: Of): string {
    return `${this.#root}${user}/${name}/latest`;
  }

  #worded<T>(work: Promise<T>): Promise<T> {
    return worded(this.#hub, work);
  }
}

async function worded<T>(hub: Pick<ForeignHub, "url">, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw wording(hub, error);
  }
}

function wording({ url }: Pick<ForeignHub, "url">, error: unknown): unknown {
  if (!(error instanceof ForeignBucketFailed)) return error;
  if (error.kind === "forbidden") return notAllowed(url);
  if (error.kind === "refused") {
    return new PerigeeError("HUB_REFUSED", `hub '${url.slice(0, 500)}' refuses this access key and secret`);
  }
  return hubFailed(url, error.message);
}

export function hubFailed(url: string, why: string): PerigeeError {
  return new PerigeeError("HUB_FAILED", `hub '${url.slice(0, 500)}': ${why}`);
}

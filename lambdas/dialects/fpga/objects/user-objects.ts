import { createHash } from "node:crypto";
import type { ObjectSource, UserObject } from "../../../ports/object-source.ts";
import { pagesOf } from "../../../ports/pages-of.ts";
import type { DialectCore } from "../../core.ts";
import { type Arrival, type DigestRecord, keys, OBJECT_BOUNDS } from "./bucket-record.ts";
import { Buckets } from "./buckets.ts";

/** An object as it is shown; `etag` without quotes. */
export type ShownObject = UserObject & { bucket: string; etag: string };

/** What a key may be: that of a location, from one character on. It is never a path. */
export const isKey = (key: string): boolean => /^[A-Za-z0-9_./-]{1,64}$/.test(key);

/** Beginning of the keys by which logs of images are read: nobody writes there. */
export const LOGS = "fpga-log/";

/** Writes of one transaction. */
const MOST_AT_ONCE = 20;
const PAGE = 100;

/** Users' objects: what both ways into a bucket have in common. */
export class UserObjects {
  readonly buckets: Buckets;
  readonly #core: DialectCore;
  readonly #objects: ObjectSource;

  constructor(core: DialectCore, objects: ObjectSource) {
    this.#core = core;
    this.#objects = objects;
    this.buckets = new Buckets({ records: core.records, objects, now: core.now });
  }

  /** Bytes of a user's objects, and of those that are coming in as far as they are not staged yet. */
  async bytes(user: string): Promise<number> {
    const account = await this.#core.users.find(user);
    if (!account) return 0;
    const arriving = await this.buckets.arriving(account.uid);
    const coming = arriving.map(async ({ bytes, prefix }) =>
      Math.max(0, bytes - (await this.#core.staging.usage(prefix))),
    );
    const [there, ...rest] = await Promise.all([this.#objects.usage(account.uid), ...coming]);
    return rest.reduce((sum, bytes) => sum + bytes, there);
  }

  /**
   * What is staged for an object becomes it; the room that was kept for it is free again.
   * @param md5 of its content, hex, where it is known
   * @returns undefined when nothing is staged for it
   */
  async place(uid: string, of: Arrival, md5?: string): Promise<ShownObject | undefined> {
    const { records, staging } = this.#core;
    const { bucket, key, id, prefix } = of;
    const name = { owner: uid, bucket, key };
    // the digest is noted of what was placed, not of what another request places at the same time
    const placed = await records.inTurn(`object#${uid}/${bucket}/${key}`, async () => {
      if ((await this.#objects.adopt(name, `${prefix}0`)) === undefined) return undefined;
      const object = await this.#objects.head(name);
      if (!object) return undefined;
      const { size, modified } = object;
      const digest = keys.digest(uid, bucket, key);
      await records.transact([
        md5 === undefined ? { delete: digest } : { put: { ...digest, data: { md5, size, modified } } },
      ]);
      return shown(bucket, object, md5 === undefined ? undefined : { md5, size, modified });
    });
    await this.buckets.release(uid, id);
    await staging.deletePrefix(prefix);
    return placed;
  }

  async find(uid: string, bucket: string, key: string): Promise<ShownObject | undefined> {
    const object = await this.#objects.head({ owner: uid, bucket, key });
    if (!object) return undefined;
    const digest = await this.#core.records.get<DigestRecord>(keys.digest(uid, bucket, key));
    return shown(bucket, object, digest?.data);
  }

  /** @param range of its bytes, both ends inclusive. @throws FILE_NOT_FOUND, RANGE_NOT_SATISFIABLE */
  open(
    uid: string,
    bucket: string,
    key: string,
    range?: { start: number; end: number },
  ): ReturnType<ObjectSource["get"]> {
    return this.#objects.get({ owner: uid, bucket, key }, range);
  }

  /** All of a bucket, in the order of their keys. */
  async list(uid: string, bucket: string): Promise<ShownObject[]> {
    const objects = await this.#objects.list(uid, bucket, OBJECT_BOUNDS.objects);
    const digests = new Map<string, DigestRecord>();
    const prefix = `${bucket}/`;
    const query = { pk: keys.digests(uid), prefix, limit: PAGE };
    for await (const page of pagesOf<DigestRecord>(this.#core.records, query)) {
      for (const { sk, data } of page) digests.set(sk.slice(prefix.length), data);
    }
    return objects.map((object) => shown(bucket, object, digests.get(object.key)));
  }

  /** One that is not there is no error. */
  async remove(uid: string, bucket: string, key: string): Promise<void> {
    await this.#objects.remove({ owner: uid, bucket, key });
    await this.#core.records.transact([{ delete: keys.digest(uid, bucket, key) }]);
  }

  /** Removes all that an account has. */
  async removeAll(uid: string): Promise<void> {
    const { records, staging } = this.#core;
    for (const { prefix } of await this.buckets.arriving(uid)) await staging.deletePrefix(prefix);
    await this.#objects.removeAll(uid);
    const query = { pk: keys.digests(uid), limit: MOST_AT_ONCE };
    for await (const page of pagesOf(records, query)) {
      if (page.length > 0) await records.transact(page.map(({ pk, sk }) => ({ delete: { pk, sk } })));
    }
    await records.transact([{ delete: keys.buckets(uid) }]);
  }
}

/**
 * An object with its ETag: the MD5 of its content, or where that is not known, as of one that came in parts, another text
 * that changes with it.
 */
function shown(bucket: string, object: UserObject, digest: DigestRecord | undefined): ShownObject {
  const { size, modified } = object;
  const isOf = digest?.size === size && digest.modified === modified;
  const other = createHash("md5").update(`${size} ${modified}`).digest("hex");
  return { ...object, bucket, etag: isOf ? digest.md5 : `${other}-1` };
}

import { PerigeeError } from "#protocol/errors.ts";
import { bucketQuotaExceeded, objectQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { ObjectSource } from "../../../ports/object-source.ts";
import { optimistically } from "../../../ports/optimistically.ts";
import type { OwnRecords } from "../../own-records.ts";
import { isBucket } from "../rules.ts";
import { type Arrival, type Bucket, type BucketsRecord, keys, OBJECT_BOUNDS } from "./bucket-record.ts";

/** Why a bucket or an object is refused, for the store that has words of its own. */
export type ObjectRefusal = "InvalidBucketName" | "TooManyBuckets" | "NoSuchBucket" | "BucketNotEmpty";

export type BucketsDeps = { records: OwnRecords; objects: ObjectSource; now: () => number };

/** Buckets of users, and the room that is kept in them for objects that are coming in. */
export class Buckets {
  readonly #deps: BucketsDeps;

  constructor(deps: BucketsDeps) {
    this.#deps = deps;
  }

  /** By name. */
  async list(uid: string): Promise<Bucket[]> {
    const { record } = await this.#read(uid);
    return record.buckets.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  async find(uid: string, name: string): Promise<Bucket | undefined> {
    return (await this.#read(uid)).record.buckets.find((bucket) => bucket.name === name);
  }

  /** Makes a bucket; one that is there stays. @throws PerigeeError with `refusal` for its name, or an eleventh */
  make(uid: string, name: string): Promise<void> {
    return this.#change(uid, async (record) => ({ record: this.#with(record, name), value: undefined }));
  }

  /** @throws PerigeeError with `refusal` when there is none, or something is in it or coming in */
  remove(uid: string, name: string): Promise<void> {
    return this.#change(uid, async (record) => {
      if (!record.buckets.some((bucket) => bucket.name === name)) {
        throw refused("NoSuchBucket", `There is no bucket ${name}`);
      }
      const isEmpty =
        !record.arriving.some(({ bucket }) => bucket === name) &&
        (await this.#deps.objects.list(uid, name, 1)).length === 0;
      if (!isEmpty) throw refused("BucketNotEmpty", `The bucket ${name} is not empty`);
      return {
        record: { ...record, buckets: record.buckets.filter((bucket) => bucket.name !== name) },
        value: undefined,
      };
    });
  }

  /**
   * Keeps room for an object that is coming in; its bucket is made if need be. One of the same Idempotency-Key is found
   * again.
   * @param bytesLeft of the owner, what is kept already not counted among them
   * @throws QUOTA_EXCEEDED, TOO_MANY_REQUESTS, IDEMPOTENCY_KEY_REUSED; as {@link make}
   */
  reserve(uid: string, arrival: Arrival, bytesLeft: () => Promise<number>): Promise<Arrival> {
    const { objects } = this.#deps;
    const { bucket, key, bytes, idempotency } = arrival;
    return this.#change(uid, async (before) => {
      const known = idempotency && before.arriving.find((one) => one.idempotency?.key === idempotency.key);
      if (known) {
        if (known.idempotency?.digest !== idempotency.digest) throw keyReused();
        return { value: known };
      }
      const record = this.#with(before, bucket);
      if (record.arriving.length >= OBJECT_BOUNDS.arriving) {
        throw new PerigeeError(
          "TOO_MANY_REQUESTS",
          `${record.arriving.length} objects are coming in already`,
        );
      }
      const there = await objects.list(uid, bucket, OBJECT_BOUNDS.objects);
      const beside = record.arriving.filter((one) => one.bucket === bucket).map((one) => one.key);
      const names = new Set([...there.map((object) => object.key), ...beside]);
      if (!names.has(key) && names.size >= OBJECT_BOUNDS.objects) {
        throw bucketQuotaExceeded(bucket, names.size);
      }
      const replaced = there.find((object) => object.key === key)?.size ?? 0;
      const left = (await bytesLeft()) + replaced;
      if (bytes > left) throw objectQuotaExceeded(bytes, left);
      return { record: { ...record, arriving: [...record.arriving, arrival] }, value: arrival };
    });
  }

  /** It is kept longer. */
  extend(uid: string, id: string, until: number): Promise<void> {
    return this.#change(uid, async (record) => ({
      record: {
        ...record,
        arriving: record.arriving.map((one) => (one.id === id ? { ...one, until } : one)),
      },
      value: undefined,
    }));
  }

  /** It has arrived, or never will. */
  release(uid: string, id: string): Promise<void> {
    return this.#change(uid, async (record) => {
      const arriving = record.arriving.filter((one) => one.id !== id);
      if (arriving.length === record.arriving.length) return { value: undefined };
      return { record: { ...record, arriving }, value: undefined };
    });
  }

  /** What is coming in. */
  async arriving(uid: string): Promise<readonly Arrival[]> {
    return this.#live((await this.#read(uid)).record).arriving;
  }

  #with(record: BucketsRecord, name: string): BucketsRecord {
    if (!isBucket(name)) throw refused("InvalidBucketName", `${JSON.stringify(name)} is no name of a bucket`);
    if (record.buckets.some((bucket) => bucket.name === name)) return record;
    if (record.buckets.length >= OBJECT_BOUNDS.buckets) {
      throw refused("TooManyBuckets", `There are ${record.buckets.length} buckets, the most`);
    }
    return { ...record, buckets: [...record.buckets, { name, createdAt: this.#deps.now() }] };
  }

  /** Changes of one user's take turns here, as each would otherwise lose to the others. */
  #change<T>(
    uid: string,
    change: (record: BucketsRecord) => Promise<{ record?: BucketsRecord; value: T }>,
  ): Promise<T> {
    const { records } = this.#deps;
    return records.inTurn(`buckets#${uid}`, () =>
      optimistically(async () => {
        const { record: before, rev } = await this.#read(uid);
        const { record, value } = await change(this.#live(before));
        if (record && record !== before) {
          await records.transact([{ put: { ...keys.buckets(uid), data: record }, if: rev }]);
        }
        return value;
      }),
    );
  }

  #live(record: BucketsRecord): BucketsRecord {
    const now = this.#deps.now();
    return { ...record, arriving: record.arriving.filter(({ until }) => until > now) };
  }

  async #read(uid: string): Promise<{ record: BucketsRecord; rev: number }> {
    const item = await this.#deps.records.get<BucketsRecord>(keys.buckets(uid));
    return { record: item?.data ?? { buckets: [], arriving: [] }, rev: item?.rev ?? 0 };
  }
}

/** A refusal that the object store has a word of its own for; natively it is one of a parameter. */
export function refused(refusal: ObjectRefusal, message: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", message, { data: { refusal } });
}

function keyReused(): PerigeeError {
  return new PerigeeError("IDEMPOTENCY_KEY_REUSED", "The Idempotency-Key stands for another request");
}

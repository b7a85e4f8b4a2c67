import { MiB } from "#protocol/limits.ts";
import type { Idempotency } from "../../../dispatch/dispatch.ts";

export const OBJECT_BOUNDS = {
  /** of a user */
  buckets: 10,
  /** of a bucket */
  objects: 1000,
  /** of an object */
  bytes: 512 * MiB,
  /** objects of a user that are coming in */
  arriving: 200,
} as const;

/** Times in ms since 1970. */
export type Bucket = { name: string; createdAt: number };

/** An object that is coming in, staged as object 0 under `prefix`: its place and bytes are kept for it until `until`. */
export type Arrival = {
  id: string;
  bucket: string;
  key: string;
  bytes: number;
  /** ends in a slash */
  prefix: string;
  until: number;
  idempotency?: Idempotency;
};

/** A user's buckets, and what is coming into them: one record, so that each of several at once sees the others. */
export type BucketsRecord = { buckets: readonly Bucket[]; arriving: readonly Arrival[] };

/** The MD5 (hex) of an object, true of the one that has this size and time. */
export type DigestRecord = { md5: string; size: number; modified: number };

/** Keys of an account's records. */
export const keys = {
  buckets: (uid: string) => ({ pk: `buckets#${uid}`, sk: "buckets" }),
  digests: (uid: string) => `digests#${uid}`,
  digest: (uid: string, bucket: string, key: string) => ({
    pk: keys.digests(uid),
    sk: `${bucket}/${key}`,
  }),
};

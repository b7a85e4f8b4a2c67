import type { Readable } from "node:stream";

/** A bucket of somebody else's, on an S3 server that is reached over TLS. */
export type ForeignPlace = {
  /** as a URL has it: lower-case, IPv6 in brackets */
  host: string;
  port: number;
  bucket: string;
  /** for which requests are signed */
  region: string;
  /** addresses that may be connected to although they are internal */
  internal: readonly string[];
};

/** Of one caller, for one call: never logged, never stored. */
export type ForeignKeys = { accessKey: string; secretKey: string };

/**
 * `forbidden`: an address of the host is internal, or it leads elsewhere. `refused`: by these keys. `failed`: it cannot be
 * reached, broke off, was silent for too long, or answered what it should not.
 */
export type ForeignFailure = "forbidden" | "refused" | "failed";

/** `message` says what the server did, in our own words: nothing of the keys, and no text of the server's. */
export class ForeignBucketFailed extends Error {
  override readonly name = "ForeignBucketFailed";
  readonly kind: ForeignFailure;

  constructor(kind: ForeignFailure, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Every method throws {@link ForeignBucketFailed}. What the server says is believed in nothing. */
export interface ForeignBucket {
  /** Stores `size` bytes: whole when it returns, and not there when it throws, unless another was before. `body` is left as it is. */
  put(key: string, body: Readable, size: number): Promise<void>;
  /** Stores a small object with `about`, texts of ASCII. */
  putSmall(key: string, body: Uint8Array, about: Readonly<Record<string, string>>): Promise<void>;
  /** Reads an object of at most `mostBytes`; undefined where there is none. */
  getSmall(
    key: string,
    mostBytes: number,
  ): Promise<{ bytes: Buffer; about: Readonly<Record<string, string>> } | undefined>;
  /** What the server says that the object has; undefined where there is none. */
  size(key: string): Promise<number | undefined>;
  /** Opens an object, of any length: who reads it counts. Undefined where there is none. */
  get(key: string): Promise<Readable | undefined>;
  /** The first names (a thousand at most) one level under a prefix that ends in `/`, without the slash. */
  names(prefix: string): Promise<{ names: string[]; isWhole: boolean }>;
  /** Deletes an object; one that is not there is no error. */
  remove(key: string): Promise<void>;
  close(): void;
}

/**
 * Opens a bucket for one call. The host's name is looked up once, every address is checked, and these alone are connected to.
 * No redirect is followed, and a connection without a byte for 30 s ends all.
 * @throws ForeignBucketFailed
 */
export type OpenForeignBucket = (place: ForeignPlace, keys: ForeignKeys) => Promise<ForeignBucket>;

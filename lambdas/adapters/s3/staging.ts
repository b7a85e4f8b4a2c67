import type { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { PerigeeError } from "#protocol/errors.ts";
import { GiB } from "#protocol/limits.ts";
import type { ListedObject, SignedHead, Staging, StoredObject } from "../../ports/staging.ts";
import { compareKeys, keyParts, prefixParts } from "../../ports/staging-key.ts";
import { receive } from "../directory/receive.ts";
import { signedFor } from "../directory/signed-for.ts";
import { noSuchObject } from "../no-such-object.ts";
import { copyObject } from "./copy.ts";
import { S3Parts } from "./parts.ts";
import { SIGNED_PUT } from "./signed-put.ts";
import { S3Sink } from "./sink.ts";
import { S3Upload } from "./upload.ts";

/** What S3 lists, and deletes, in one request. */
const PAGE = 1000;
/** How often content that is replaced again and again is asked for anew before a copy fails. */
const COPIES = 20;

export type S3StagingOptions = {
  /** made by s3Client(): a client with the SDK's own settings signs URLs that S3 refuses */
  client: S3Client;
  bucket: string;
  /** bytes up to which S3 copies an object with one request (default 5 GiB, its own bound) */
  copyBytes?: number;
};

/** Staging in an S3 bucket. Its lifecycle rules are behind it: they end uploads that nobody completes. */
export class S3Staging implements Staging {
  readonly parts: S3Parts;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #copyBytes: number;

  readonly signedPut = SIGNED_PUT;

  constructor(options: S3StagingOptions) {
    this.#client = options.client;
    this.#bucket = options.bucket;
    this.#copyBytes = options.copyBytes ?? 5 * GiB;
    this.parts = new S3Parts(options);
  }

  async put(
    key: string,
    body: Readable | Uint8Array,
    options: { maxBytes: number; signal?: AbortSignal },
  ): Promise<StoredObject> {
    keyParts(key);
    options.signal?.throwIfAborted();
    const upload = new S3Upload(this.#client, this.#at(key));
    const sink = new S3Sink(upload, options.maxBytes);
    try {
      await receive(body, sink, options.signal);
    } catch (error) {
      await upload.abort();
      throw error;
    }
    return { size: sink.size, xxh64: sink.digest() };
  }

  async copy(from: string, to: string, known?: number): Promise<number> {
    keyParts(from);
    keyParts(to);
    // S3 refuses a copy onto itself
    const isItself = from === to;
    const size = isItself ? undefined : known;
    const object = size === undefined ? await this.head(from) : { size };
    if (!object) throw noSuchObject();
    if (isItself) return object.size;
    const of = { bucket: this.#bucket, from, to, size: object.size };
    await copyObject(this.#client, of, this.#copyBytes).catch((error: Error) => {
      throw error.name === "NoSuchKey" ? noSuchObject() : error;
    });
    return object.size;
  }

  /**
   * As {@link copy}, out of another bucket: of content that is replaced meanwhile, one that was there whole.
   * @throws PerigeeError FILE_NOT_FOUND
   */
  async copyFrom(of: S3Staging, from: string, to: string): Promise<number> {
    keyParts(to);
    for (let attempt = 0; ; attempt++) {
      const { etag, size } = (await of.#stat(from)) ?? {};
      if (size === undefined) throw noSuchObject();
      const source = { bucket: this.#bucket, source: of.#bucket, from, to, size, ...(etag && { etag }) };
      try {
        await copyObject(this.#client, source, this.#copyBytes);
        // asked of the copy itself: not every store makes condition and copy one step
        return (await this.#stat(to))?.size ?? size;
      } catch (error) {
        const { name } = error as Error;
        if (name === "NoSuchKey") throw noSuchObject();
        if (name !== "PreconditionFailed" || attempt === COPIES) throw error;
      }
    }
  }

  async get(key: string, range?: { start: number; end: number }): Promise<{ body: Readable; size: number }> {
    keyParts(key);
    // S3 takes no notice of a range that ends before it starts
    if (range && (range.start < 0 || range.end < range.start)) throw notSatisfiable();
    const Range = range && `bytes=${range.start}-${range.end}`;
    const get = new GetObjectCommand({ ...this.#at(key), ...(Range && { Range }) });
    const { Body, ContentLength } = await this.#client.send(get).catch((error: Error) => {
      if (error.name === "NoSuchKey") throw noSuchObject();
      throw error.name === "InvalidRange" ? notSatisfiable() : error;
    });
    return { body: Body as Readable, size: ContentLength! };
  }

  async pieces(key: string): Promise<AsyncIterable<Uint8Array>> {
    return (await this.get(key)).body;
  }

  async head(key: string): Promise<ListedObject | undefined> {
    const found = await this.#stat(key);
    return found && { key, size: found.size, modified: found.modified };
  }

  async #stat(key: string): Promise<(ListedObject & { etag: string | undefined }) | undefined> {
    keyParts(key);
    try {
      const head = await this.#client.send(new HeadObjectCommand(this.#at(key)));
      return { key, size: head.ContentLength!, modified: head.LastModified!.getTime(), etag: head.ETag };
    } catch (error) {
      if ((error as Error).name === "NotFound") return undefined;
      throw error;
    }
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<ListedObject[]> {
    const { after, limit = 1000 } = options;
    const listed: ListedObject[] = [];
    if (limit <= 0) return listed;
    for await (const page of this.#pages(prefix, { after, limit })) {
      listed.push(...objectsOf(page));
      if (listed.length >= limit) break;
    }
    return listed.slice(0, limit);
  }

  async listNames(prefix: string): Promise<string[]> {
    if (prefixParts(prefix).rest !== "") {
      throw new PerigeeError("INVALID_PATH", "The prefix does not end in a slash");
    }
    const names = new Set<string>();
    for await (const page of this.#pages(prefix, { delimiter: "/" })) {
      for (const level of page.CommonPrefixes ?? []) names.add(level.Prefix!.slice(prefix.length, -1));
      for (const object of page.Contents ?? []) names.add(object.Key!.slice(prefix.length));
    }
    return [...names].sort(compareKeys);
  }

  async remove(key: string): Promise<void> {
    keyParts(key);
    await this.#client.send(new DeleteObjectCommand(this.#at(key)));
  }

  async deletePrefix(prefix: string): Promise<void> {
    prefixParts(prefix);
    if (prefix === "") throw new PerigeeError("INVALID_PATH", "The prefix is empty");
    for await (const page of this.#pages(prefix, {}))
      await this.#delete(objectsOf(page).map(({ key }) => key));
    await this.parts.endAll(prefix);
  }

  async usage(prefix: string): Promise<number> {
    let bytes = 0;
    for await (const page of this.#pages(prefix, {})) {
      for (const { size } of objectsOf(page)) bytes += size;
    }
    return bytes;
  }

  async signGet(key: string, seconds: number, head?: SignedHead): Promise<string> {
    keyParts(key);
    const as = head && { ResponseContentType: head.type, ResponseContentDisposition: head.disposition };
    const get = new GetObjectCommand({ ...this.#at(key), ...as });
    return getSignedUrl(this.#client, get, signedFor(seconds));
  }

  /** `maxBytes` is not held: S3 signs an exact length or none. */
  async signPut(key: string, seconds: number, _maxBytes: number): Promise<string> {
    keyParts(key);
    return getSignedUrl(this.#client, new PutObjectCommand(this.#at(key)), signedFor(seconds));
  }

  async origins(): Promise<readonly string[]> {
    const { origin } = new URL(await this.signGet("logs/any", 1));
    return [origin];
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }

  async *#pages(
    prefix: string,
    options: { after?: string; limit?: number; delimiter?: string },
  ): AsyncGenerator<ListObjectsV2CommandOutput> {
    prefixParts(prefix);
    let token: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          MaxKeys: Math.min(PAGE, options.limit ?? PAGE),
          ...(options.delimiter && { Delimiter: options.delimiter }),
          ...(options.after && { StartAfter: options.after }),
          ...(token && { ContinuationToken: token }),
        }),
      );
      yield page;
      token = page.NextContinuationToken;
    } while (token);
  }

  async #delete(keys: string[]): Promise<void> {
    const plain = keys.filter((key) => !NOT_IN_XML.test(key));
    if (plain.length > 0) {
      const { Errors } = await this.#client.send(
        new DeleteObjectsCommand({
          Bucket: this.#bucket,
          Delete: { Objects: plain.map((Key) => ({ Key })), Quiet: true },
        }),
      );
      const [error] = Errors ?? [];
      if (error) throw new Error(`S3 did not delete ${error.Key}: ${error.Code} ${error.Message}`);
    }
    for (const key of keys.filter((key) => NOT_IN_XML.test(key))) {
      await this.#client.send(new DeleteObjectCommand(this.#at(key)));
    }
  }
}

/** Characters of keys that an XML document cannot hold, not even escaped. */
const NOT_IN_XML = /[\ufffe\uffff]/;

function objectsOf(page: ListObjectsV2CommandOutput): ListedObject[] {
  return (page.Contents ?? []).map(({ Key, Size, LastModified }) => ({
    key: Key!,
    size: Size!,
    modified: LastModified!.getTime(),
  }));
}

function notSatisfiable(): PerigeeError {
  return new PerigeeError("RANGE_NOT_SATISFIABLE", "The range lies outside the object");
}

import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { MiB } from "#protocol/limits.ts";

/** S3 takes at most so many parts, each of at least 5 MiB except the last. */
const MOST_PARTS = 10_000;
const PART_BYTES = 8 * MiB;
const PARTS_AT_ONCE = 3;

/** Part size in bytes for an object of at most `maxBytes`. */
export function partBytes(maxBytes: number): number {
  return Math.max(PART_BYTES, Math.ceil(maxBytes / MOST_PARTS / MiB) * MiB);
}

/**
 * The upload of one object to S3: a few parts at a time; an object that fits into one part is sent at the end with a
 * single PUT. The object is not visible before {@link S3Upload.complete}, and nothing remains after
 * {@link S3Upload.abort}. A buffer belongs to the upload until `sent` is called.
 */
export class S3Upload {
  readonly #client: S3Client;
  readonly #at: { Bucket: string; Key: string };
  readonly #over = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  readonly #parts: CompletedPart[] = [];
  #id: Promise<string> | undefined;
  #failure: unknown;

  constructor(client: S3Client, at: { Bucket: string; Key: string }) {
    this.#client = client;
    this.#at = at;
  }

  /** Starts to send the next part; `sent` is called when its buffer can be reused. */
  part(bytes: Uint8Array, sent: () => void): void {
    const number = this.#parts.push({});
    this.#id ??= this.#create();
    const sending = this.#send(number, bytes)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#sending.delete(sending);
        sent();
      });
    this.#sending.add(sending);
  }

  /** Waits until another part may start. @throws the error of a part that failed */
  async room(): Promise<void> {
    while (this.#sending.size >= PARTS_AT_ONCE && !this.#failure) await Promise.race(this.#sending);
    if (this.#failure) throw this.#failure;
  }

  /** Completes the object. `rest` is its last bytes, or the whole object when no part was sent before. */
  async complete(rest: Uint8Array): Promise<void> {
    if (this.#id === undefined) {
      await this.#client.send(new PutObjectCommand({ ...this.#at, Body: rest }), this.#options());
      return;
    }
    if (rest.length > 0) {
      await this.room();
      this.part(rest, () => {});
    }
    await Promise.all(this.#sending);
    if (this.#failure) throw this.#failure;
    const complete = new CompleteMultipartUploadCommand({
      ...this.#at,
      UploadId: await this.#id,
      MultipartUpload: { Parts: this.#parts },
    });
    await this.#client.send(complete, this.#options());
  }

  /** Aborts the upload and deletes its parts. Never rejects; S3's lifecycle rule deletes what this cannot. */
  async abort(): Promise<void> {
    this.#over.abort();
    const id = await this.#id?.catch(() => undefined);
    await Promise.all(this.#sending);
    if (id === undefined) return;
    const abort = new AbortMultipartUploadCommand({ ...this.#at, UploadId: id });
    await this.#client.send(abort).catch(() => {});
  }

  async #create(): Promise<string> {
    const made = await this.#client.send(new CreateMultipartUploadCommand(this.#at));
    return made.UploadId!;
  }

  async #send(number: number, bytes: Uint8Array): Promise<void> {
    const part = { ...this.#at, UploadId: await this.#id!, PartNumber: number, Body: bytes };
    const { ETag, ChecksumCRC32 } = await this.#client.send(new UploadPartCommand(part), this.#options());
    this.#parts[number - 1] = { PartNumber: number, ETag, ChecksumCRC32 };
  }

  #options(): { abortSignal: AbortSignal } {
    return { abortSignal: this.#over.signal };
  }
}

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

/** S3 takes at most so many parts, of at least 5 MiB each but for the last. */
const MOST_PARTS = 10_000;
const PART_BYTES = 8 * MiB;
const PARTS_AT_ONCE = 3;

/** Bytes of each part of an object of at most `maxBytes`. */
export function partBytes(maxBytes: number): number {
  return Math.max(PART_BYTES, Math.ceil(maxBytes / MOST_PARTS / MiB) * MiB);
}

/**
 * One object on its way to S3: parts go up a few at a time, an object that fits into one part goes up at once
 * at the end. Nothing is to be seen of it before {@link S3Upload.complete}, and nothing stays after
 * {@link S3Upload.abort}. Buffers that are given are the upload's until it says so.
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

  /** Starts to send the next part; `sent` is called once its bytes are free again. */
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

  /** Waits until another part may start. @throws what a part failed with */
  async room(): Promise<void> {
    while (this.#sending.size >= PARTS_AT_ONCE && !this.#failure) await Promise.race(this.#sending);
    if (this.#failure) throw this.#failure;
  }

  /** The object is whole: `rest` is its last bytes, or all of it when no part went before. */
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

  /** Gives it up: what is under way ends, what went up goes. Never rejects; S3's lifecycle rule is behind it. */
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

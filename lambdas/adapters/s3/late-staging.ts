import type { Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import type { Part, PartLayout, PartUploads } from "../../ports/part-uploads.ts";
import type { SignedHead, Staging } from "../../ports/staging.ts";
import { SIGNED_PUT } from "./signed-put.ts";
import type { S3Staging } from "./staging.ts";

export type LateStagingOptions = {
  /** called once, with the first use; `close` destroys what it gave */
  client: () => S3Client | Promise<S3Client>;
  bucket: string;
};

/**
 * {@link S3Staging} that is loaded with its first use, together with its client: that is a fifth of what a Lambda
 * would read at its start, and most requests stage nothing.
 */
export class LateS3Staging implements Staging {
  readonly #options: LateStagingOptions;
  #loading: Promise<{ staging: S3Staging; client: S3Client }> | undefined;

  readonly signedPut = SIGNED_PUT;
  readonly parts: PartUploads = {
    begin: async (key: string, layout: PartLayout) => (await this.#staging()).parts.begin(key, layout),
    signPart: async (key: string, upload: string, part: Part, seconds: number) =>
      (await this.#staging()).parts.signPart(key, upload, part, seconds),
    signWhole: async (key: string, content: Omit<Part, "number">, seconds: number) =>
      (await this.#staging()).parts.signWhole(key, content, seconds),
    arrived: async (key: string, upload: string) => (await this.#staging()).parts.arrived(key, upload),
    complete: async (key: string, upload: string, parts: Part[]) =>
      (await this.#staging()).parts.complete(key, upload, parts),
  };

  constructor(options: LateStagingOptions) {
    this.#options = options;
  }

  async put(key: string, body: Readable | Uint8Array, options: { maxBytes: number; signal?: AbortSignal }) {
    return (await this.#staging()).put(key, body, options);
  }

  async get(key: string, range?: { start: number; end: number }) {
    return (await this.#staging()).get(key, range);
  }

  async pieces(key: string) {
    return (await this.#staging()).pieces(key);
  }

  async head(key: string) {
    return (await this.#staging()).head(key);
  }

  async copy(from: string, to: string, size?: number) {
    return (await this.#staging()).copy(from, to, size);
  }

  async list(prefix: string, options?: { after?: string; limit?: number }) {
    return (await this.#staging()).list(prefix, options);
  }

  async listNames(prefix: string) {
    return (await this.#staging()).listNames(prefix);
  }

  async remove(key: string) {
    return (await this.#staging()).remove(key);
  }

  async deletePrefix(prefix: string) {
    return (await this.#staging()).deletePrefix(prefix);
  }

  async usage(prefix: string) {
    return (await this.#staging()).usage(prefix);
  }

  async signGet(key: string, seconds: number, head?: SignedHead) {
    return (await this.#staging()).signGet(key, seconds, head);
  }

  async signPut(key: string, seconds: number, maxBytes: number) {
    return (await this.#staging()).signPut(key, seconds, maxBytes);
  }

  async origins() {
    return (await this.#staging()).origins();
  }

  /** As {@link S3Staging.copyFrom}. */
  async copyFrom(of: LateS3Staging, from: string, to: string): Promise<number> {
    const [source, own] = await Promise.all([of.#staging(), this.#staging()]);
    return own.copyFrom(source, from, to);
  }

  async close(): Promise<void> {
    (await this.#loading)?.client.destroy();
  }

  async #staging(): Promise<S3Staging> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return (await this.#loading).staging;
  }

  async #load() {
    const { client: open, bucket } = this.#options;
    const [{ S3Staging }, client] = await Promise.all([import("./staging.ts"), open()]);
    return { staging: new S3Staging({ client, bucket }), client };
  }
}

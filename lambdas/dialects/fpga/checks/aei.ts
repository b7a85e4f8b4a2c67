import { CHECK_BOUNDS } from "./bounds.ts";
import { type Content, ContentReader } from "./content-reader.ts";
import { type Finding, finding } from "./finding.ts";
import { HeadWindow } from "./head-window.ts";

/** `offset` of the payload in the file, bytes. */
export type Aei = { metadata: string; payload: Content; offset: number };

const MAGIC = Buffer.from("AEIv1.0\0", "latin1");
const HEADER = 80;
const DIGEST = 32;

export function isAei(head: Buffer): boolean {
  return head.subarray(0, MAGIC.length).equals(MAGIC);
}

/**
 * Reads an AEI container from its beginning in constant memory: header, metadata up to a bound, payload by a reader of
 * its own, the digest at the end. It never throws.
 */
export class AeiReader {
  readonly #header = new HeadWindow(HEADER);
  /** these two only once the header is that of an AEI */
  #metadata = new HeadWindow(0);
  readonly #digest = new HeadWindow(DIGEST);
  #payload: ContentReader | undefined;
  /** lengths by the header; 0 until it is read, or when they are none */
  #metadataLength = 0;
  #payloadLength = 0;
  #size = 0;

  /** Bytes of the file that its digest is over; undefined until the header is read, and when it is no container. */
  get digested(): number | undefined {
    return this.#payloadLength > 0 ? HEADER + this.#metadataLength + this.#payloadLength : undefined;
  }

  push(chunk: Uint8Array): void {
    const from = this.#size;
    this.#size += chunk.length;
    if (!this.#header.full) {
      this.#header.push(chunk);
      if (!this.#header.full) return;
      this.#readHeader();
    }
    if (this.digested === undefined) return;
    /** the chunk's part of a range of the file */
    const part = (begin: number, end: number) =>
      chunk.subarray(Math.max(0, begin - from), Math.max(0, end - from));
    const payload = HEADER + this.#metadataLength;
    this.#metadata.push(part(HEADER, payload));
    this.#payload?.push(part(payload, this.digested));
    this.#digest.push(part(this.digested, this.digested + DIGEST));
  }

  /** @param digest SHA-256 of the first {@link digested} bytes of what was pushed */
  finish(digest: Buffer | undefined): Aei | Finding {
    if (!this.#header.full) {
      return finding(
        "FORMAT_TRUNCATED",
        `the header of an AEI has ${HEADER} bytes, the file has ${this.#size}`,
      );
    }
    if (this.digested === undefined || !this.#payload) {
      return finding("FORMAT_INVALID", "the lengths in the header of the AEI are not both above 0");
    }
    const size = this.digested + DIGEST;
    if (this.#size < size) {
      return finding(
        "FORMAT_TRUNCATED",
        `the AEI has ${size} bytes by its header, the file has ${this.#size}`,
      );
    }
    if (this.#size > size) {
      return finding("FORMAT_INVALID", `the AEI has ${size} bytes by its header, the file has ${this.#size}`);
    }
    if (!digest?.equals(this.#digest.bytes)) {
      return finding(
        "DIGEST_MISMATCH",
        "the SHA-256 at the end of the AEI is not that of what stands before it",
      );
    }
    if (this.#metadataLength % 4 !== 0) {
      return finding("FORMAT_INVALID", "the metadata of the AEI is not padded to a multiple of 4");
    }
    if (this.#metadataLength > CHECK_BOUNDS.aeiMetadata) {
      return finding(
        "FORMAT_INVALID",
        `the metadata of the AEI has more than ${CHECK_BOUNDS.aeiMetadata} bytes`,
      );
    }
    return {
      metadata: this.#metadata.bytes.toString("utf8"),
      payload: this.#payload.finish(),
      offset: HEADER + this.#metadataLength,
    };
  }

  #readHeader(): void {
    const header = this.#header.bytes;
    const metadata = header.readInt32BE(8);
    const payload = header.readInt32BE(12);
    if (!isAei(header) || metadata <= 0 || payload <= 0) return;
    this.#metadata = new HeadWindow(CHECK_BOUNDS.aeiMetadata);
    this.#payload = new ContentReader();
    this.#metadataLength = metadata;
    this.#payloadLength = payload;
  }
}

import { crc32 } from "node:zlib";
import type { ContentHash } from "./directory/file-sink.ts";

/** CRC32 as gzip and S3 compute it. */
export class Crc32Hash implements ContentHash {
  #value = 0;

  update(chunk: Uint8Array): void {
    this.#value = crc32(chunk, this.#value);
  }

  /** 8 hex digits. */
  hex(): string {
    return this.#value.toString(16).padStart(8, "0");
  }
}

import { Xxh64 as Native } from "@node-rs/xxhash";
import { xxh64Text } from "#protocol/xxh64-text.ts";

/** XXH64 (seed 0), the hash function of all adapters of the ground. */
export class Xxh64 {
  readonly #hash = new Native();

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The hash of what was added so far, 16 hex digits. */
  hex(): string {
    return xxh64Text(this.#hash.digest());
  }
}

import { Xxh64 as Native } from "@node-rs/xxhash";

/** XXH64 (seed 0) of what it is fed: the one place from which the ground's adapters take the hash. */
export class Xxh64 {
  readonly #hash = new Native();

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Of what came so far, 16 hex digits. */
  hex(): string {
    return this.#hash.digest().toString(16).padStart(16, "0");
  }
}

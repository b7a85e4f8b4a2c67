import createXxhash from "xxhash-wasm";

const { create64 } = await createXxhash();

/**
 * XXH64 with seed 0 for where native modules cannot go: the Lambdas' bundles put it in the place of
 * `@node-rs/xxhash` (scripts/lambda-bundles.ts). Constant memory.
 */
export class Xxh64 {
  readonly #hash = create64(0n);

  update(input: Uint8Array | string): this {
    this.#hash.update(input as Uint8Array);
    return this;
  }

  digest(): bigint {
    return this.#hash.digest();
  }
}

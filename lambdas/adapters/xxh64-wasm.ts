import createXxhash from "xxhash-wasm";

const { create64 } = await createXxhash();

/**
 * XXH64 with seed 0 where native modules cannot be used: it replaces `@node-rs/xxhash` in the Lambdas' bundles
 * (scripts/lambda-bundles.ts). Constant memory.
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

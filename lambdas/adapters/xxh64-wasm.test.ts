import { Xxh64 as Native } from "@node-rs/xxhash";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Xxh64 } from "./xxh64-wasm.ts";

test("it says what the native one says, however the content is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
      const ours = new Xxh64();
      const native = new Native();
      for (const chunk of chunks) {
        ours.update(chunk);
        native.update(chunk);
      }
      expect(ours.digest()).toBe(native.digest());
    }),
    { numRuns: 500 },
  );
});

test("text counts as UTF-8, and a digest in between ends nothing", () => {
  const ours = new Xxh64().update("Grüße");
  expect(ours.digest()).toBe(new Native().update("Grüße").digest());
  expect(ours.update("!").digest()).toBe(new Native().update("Grüße!").digest());
});

test("many at once do not mix", () => {
  const big = Buffer.alloc(3 << 20, "perigee");
  const expected = new Native().update(big).digest();
  const hashes = Array.from({ length: 500 }, () => new Xxh64());
  for (const hash of hashes) hash.update(big.subarray(0, 1000));
  for (const hash of hashes.slice(0, 20)) expect(hash.update(big.subarray(1000)).digest()).toBe(expected);
});

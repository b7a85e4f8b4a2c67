import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Staging } from "#lambdas/ports/staging.ts";
import { keptPrefix } from "#lambdas/ports/staging-key.ts";
import { MiB } from "#protocol/limits.ts";
import type { StagingUnderTest } from "./staging.ts";

const ROOMY = { maxBytes: 64 * MiB };

/** What copies in every Staging must do. `make` is called once; tests keep to prefixes of their own. */
export function stagingCopyConformance(name: string, make: () => Promise<StagingUnderTest>): void {
  describe(`copies: ${name}`, () => {
    let made: StagingUnderTest;
    let staging: Staging;
    let count = 0;
    const fresh = () => `downlink/copies/c${count++}/`;
    const kept = () => `${keptPrefix("copies", "conformance")}c${count++}/`;
    const read = async (key: string) => buffer((await staging.get(key)).body);

    beforeAll(async () => {
      made = await make();
      staging = made.staging;
    });
    afterAll(() => made?.close());

    it.each([0, 5, 3 * MiB + 17])("%d bytes live on when what they were copied from goes", async (size) => {
      const [from, to, known] = [`${fresh()}1.0`, `${kept()}result`, `${kept()}result`];
      const content = randomBytes(size);
      await staging.put(from, content, ROOMY);
      expect(await staging.copy(from, to)).toBe(size);
      expect(await staging.copy(from, known, size)).toBe(size);
      expect(await staging.head(to)).toMatchObject({ key: to, size });
      expect(await staging.usage(to)).toBe(size);
      await staging.deletePrefix(from);
      for (const copy of [to, known]) expect((await read(copy)).equals(content)).toBe(true);
      expect(await staging.head(from)).toBeUndefined();
    });

    it("live apart: what replaces one leaves the other", async () => {
      const [from, to] = [`${fresh()}1.0`, `${kept()}result`];
      await staging.put(from, Buffer.from("first"), ROOMY);
      await staging.copy(from, to);
      await staging.put(from, Buffer.from("second"), ROOMY);
      expect(String(await read(to))).toBe("first");
      await staging.put(to, Buffer.from("third"), ROOMY);
      expect(String(await read(from))).toBe("second");
    });

    it("are made again, replace what is there, and may be made at once", async () => {
      const prefix = fresh();
      const to = `${kept()}result`;
      await staging.put(to, Buffer.from("before"), ROOMY);
      await staging.put(`${prefix}1`, Buffer.from("content"), ROOMY);
      for (let i = 0; i < 3; i++) {
        expect(await staging.copy(`${prefix}1`, to)).toBe(7);
        expect(String(await read(to))).toBe("content");
      }
      await Promise.all(Array.from({ length: 8 }, () => staging.copy(`${prefix}1`, to)));
      expect(String(await read(to))).toBe("content");
      expect(await staging.copy(to, to)).toBe(7);
      expect(String(await read(to))).toBe("content");
    });

    it("take any key", async () => {
      const [from, to] = [`${fresh()}what/é %2F?#~+ü&`, `${kept()}a b+c/%?é`];
      await staging.put(from, Buffer.from("x"), ROOMY);
      await staging.copy(from, to);
      expect(String(await read(to))).toBe("x");
    });

    it("of what is not there are refused, and leave what was there", async () => {
      const to = `${kept()}result`;
      const missing = expect.objectContaining({ name: "PerigeeError", code: "FILE_NOT_FOUND" });
      for (const size of [undefined, 5]) {
        await expect(staging.copy(`${fresh()}none`, to, size)).rejects.toEqual(missing);
      }
      expect(await staging.head(to)).toBeUndefined();
      await staging.put(to, Buffer.from("there"), ROOMY);
      await expect(staging.copy(`${fresh()}none`, to)).rejects.toEqual(missing);
      expect(String(await read(to))).toBe("there");
    });

    it.each(["", "a/../b", "/a"])("from or to %j are refused", async (key) => {
      const from = `${fresh()}1`;
      await staging.put(from, Buffer.from("x"), ROOMY);
      const invalid = expect.objectContaining({ name: "PerigeeError", code: "INVALID_PATH" });
      await expect(staging.copy(key, `${kept()}1`)).rejects.toEqual(invalid);
      await expect(staging.copy(key, `${kept()}1`, 1)).rejects.toEqual(invalid);
      await expect(staging.copy(from, key)).rejects.toEqual(invalid);
    });
  });
}

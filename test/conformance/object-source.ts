import { createHash, randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ObjectName, ObjectSource } from "#lambdas/ports/object-source.ts";
import type { Staging } from "#lambdas/ports/staging.ts";

export type ObjectsUnderTest = {
  objects: ObjectSource;
  /** into which objects are pinned */
  staging: Staging;
  close(): Promise<unknown>;
};

const ROOMY = { maxBytes: 1_000_000 };

/** What every ObjectSource must do. `make` is called once; tests keep to owners of their own. */
export function objectSourceConformance(name: string, make: () => Promise<ObjectsUnderTest>): void {
  describe(`objects: ${name}`, () => {
    let made: ObjectsUnderTest;
    let count = 0;
    const fresh = (key = "a.bin"): ObjectName => ({ owner: `uid-${count++}`, bucket: "abc", key });
    const pinKey = () => `uplink/ann/_/c${count++}/0`;
    const pinned = async (key: string) => buffer((await made.staging.get(key)).body);

    beforeAll(async () => {
      made = await make();
    });
    afterAll(() => made?.close());

    it("keep what was put, by owner, bucket and key", async () => {
      const one = fresh("a/b.bin");
      const others = [
        { ...one, owner: `${one.owner}x` },
        { ...one, bucket: "abcd" },
        { ...one, key: "a//b.bin" },
        { ...one, key: "/a/b.bin" },
      ];
      for (const [n, of] of [one, ...others].entries()) {
        expect(await made.objects.put(of, Buffer.alloc(n + 1, n), ROOMY)).toEqual({ size: n + 1 });
      }
      for (const [n, of] of [one, ...others].entries()) {
        const { body, size } = await made.objects.get(of);
        expect([size, await buffer(body)]).toEqual([n + 1, Buffer.alloc(n + 1, n)]);
        expect(await made.objects.head(of)).toMatchObject({ key: of.key, size: n + 1 });
      }
      await made.objects.remove(one);
      await made.objects.remove(one);
      expect(await made.objects.head(one)).toBeUndefined();
      await expect(made.objects.get(one)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
      expect(await made.objects.usage(one.owner)).toBe(3 + 4 + 5);
      await made.objects.removeAll(one.owner);
      expect(await made.objects.usage(one.owner)).toBe(0);
      expect(await made.objects.head({ ...one, owner: `${one.owner}x` })).toBeDefined();
    });

    it.each(["../a.bin", "..", ".", "/", "//", ".".repeat(64), "/etc/passwd.bin", "-", "a/../../b.bin", "_"])(
      "take the key %s for a name and nothing else",
      async (key) => {
        const of = fresh(key);
        await made.objects.put(of, Buffer.from(key), ROOMY);
        expect(String(await buffer((await made.objects.get(of)).body))).toBe(key);
        expect((await made.objects.list(of.owner, of.bucket, 10)).map((object) => object.key)).toEqual([key]);
        const to = pinKey();
        expect(await made.objects.pin(of, to)).toBe(key.length);
        expect(String(await pinned(to))).toBe(key);
      },
    );

    it("refuse names that break their rules", async () => {
      const good = fresh();
      for (const of of [
        { ...good, key: "" },
        { ...good, key: "a~b" },
        { ...good, key: "a\0" },
        { ...good, key: "a".repeat(65) },
        { ...good, bucket: ".." },
        { ...good, bucket: "a/b" },
        { ...good, bucket: "" },
        { ...good, owner: "" },
        { ...good, owner: ".." },
        { ...good, owner: "a/b" },
      ]) {
        await expect(made.objects.put(of, Buffer.of(1), ROOMY)).rejects.toMatchObject({
          code: "INVALID_PATH",
        });
        await expect(made.objects.pin(of, pinKey())).rejects.toMatchObject({ code: "INVALID_PATH" });
      }
    });

    it("are listed in the order of their keys", async () => {
      const of = fresh();
      const keys = ["b", "a/b", "a0", "a-", "a", "a//b", "Z", "a_"];
      for (const key of keys) await made.objects.put({ ...of, key }, Buffer.from(key), ROOMY);
      const sorted = keys.toSorted();
      const listed = await made.objects.list(of.owner, of.bucket, 100);
      expect(listed.map(({ key, size }) => [key, size])).toEqual(sorted.map((key) => [key, key.length]));
      expect((await made.objects.list(of.owner, of.bucket, 3)).map(({ key }) => key)).toEqual(
        sorted.slice(0, 3),
      );
      expect(await made.objects.list(of.owner, "other", 100)).toEqual([]);
    });

    it("are read in parts", async () => {
      const of = fresh();
      await made.objects.put(of, Buffer.from("0123456789"), ROOMY);
      const part = async (start: number, end: number) => {
        const { body, size } = await made.objects.get(of, { start, end });
        return [size, String(await buffer(body))];
      };
      expect(await part(2, 5)).toEqual([4, "2345"]);
      expect(await part(8, 99)).toEqual([2, "89"]);
      await expect(made.objects.get(of, { start: 10, end: 11 })).rejects.toMatchObject({
        code: "RANGE_NOT_SATISFIABLE",
      });
    });

    it("are put whole or not at all", async () => {
      const of = fresh();
      await expect(made.objects.put(of, Buffer.alloc(11), { maxBytes: 10 })).rejects.toMatchObject({
        code: "BODY_TOO_LARGE",
      });
      expect(await made.objects.head(of)).toBeUndefined();
    });

    it("that are pinned keep their content, whatever becomes of them", async () => {
      const of = fresh();
      expect(await made.objects.pin(of, pinKey())).toBeUndefined();
      const [first, second] = [randomBytes(70_000), randomBytes(70_001)];
      await made.objects.put(of, first, ROOMY);
      const [one, other] = [pinKey(), pinKey()];
      expect(await made.objects.pin(of, one)).toBe(first.length);
      await made.objects.put(of, second, ROOMY);
      expect(await made.objects.pin(of, other)).toBe(second.length);
      await made.objects.remove(of);
      expect((await pinned(one)).equals(first)).toBe(true);
      expect((await pinned(other)).equals(second)).toBe(true);
      await made.staging.remove(one);
      expect((await pinned(other)).equals(second)).toBe(true);
    });

    it("are made of what is staged, again if need be, and do not change with it", async () => {
      const of = fresh("../a.bin");
      const from = pinKey();
      expect(await made.objects.adopt(of, from)).toBeUndefined();
      const [first, second] = [randomBytes(70_000), randomBytes(70_001)];
      for (const content of [first, second]) {
        await made.staging.put(from, content, ROOMY);
        for (let n = 0; n < 2; n++) expect(await made.objects.adopt(of, from)).toBe(content.length);
      }
      await made.staging.put(from, first, ROOMY);
      await made.staging.remove(from);
      expect((await buffer((await made.objects.get(of)).body)).equals(second)).toBe(true);
      const bad = { ...of, key: "a~b" };
      await expect(made.objects.adopt(bad, from)).rejects.toMatchObject({ code: "INVALID_PATH" });
    });

    it("that are replaced meanwhile are pinned as one of what was written", async () => {
      const of = fresh();
      const versions = Array.from({ length: 8 }, (_, n) => randomBytes(30_000 + n));
      const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
      const written = new Set(versions.map(digest));
      await made.objects.put(of, versions[0]!, ROOMY);
      for (let n = 0; n < 10; n++) {
        const to = pinKey();
        const writes = [1, 2].map((m) => made.objects.put(of, versions[(n + m) % versions.length]!, ROOMY));
        const [size] = await Promise.all([made.objects.pin(of, to), ...writes]);
        const content = await pinned(to);
        expect(content.length).toBe(size);
        expect(written).toContain(digest(content));
      }
    });
  });
}

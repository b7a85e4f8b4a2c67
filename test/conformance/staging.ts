import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { xxh64 } from "@node-rs/xxhash";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Staging } from "#lambdas/ports/staging.ts";
import { compareKeys, KEY_BYTES, KEY_PART_BYTES } from "#lambdas/ports/staging-key.ts";
import { KiB, MiB } from "#protocol/limits.ts";

export type StagingUnderTest = {
  staging: Staging;
  /** fetch of a signed URL, wherever the adapter's URLs are served */
  fetchSigned(url: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
};

const ROOMY = { maxBytes: 64 * MiB };

/** What every Staging must do. `makeStaging` is called once; tests keep to prefixes of their own. */
export function stagingConformance(name: string, makeStaging: () => Promise<StagingUnderTest>): void {
  describe(`Staging: ${name}`, () => {
    let made: StagingUnderTest;
    let staging: Staging;
    let count = 0;
    const fresh = () => `uplink/conformance/p${count++}/`;
    const read = async (key: string, range?: { start: number; end: number }) =>
      buffer((await staging.get(key, range)).body);
    const code = (code: string) => expect.objectContaining({ name: "PerigeeError", code });

    beforeAll(async () => {
      made = await makeStaging();
      staging = made.staging;
    });
    afterAll(() => made?.close());

    describe("put and get", () => {
      it.each([0, 1, 65_536, 3 * MiB + 17])(
        "gives %d bytes back, with their size and XXH64",
        async (size) => {
          const key = `${fresh()}1`;
          const content = randomBytes(size);
          const stored = await staging.put(key, Readable.from(cut(content), { objectMode: false }), ROOMY);
          expect(stored).toEqual({ size, xxh64: xxh64(content).toString(16).padStart(16, "0") });
          const { body, size: told } = await staging.get(key);
          expect(told).toBe(size);
          expect((await buffer(body)).equals(content)).toBe(true);
          const pieces: Buffer[] = [];
          for await (const piece of await staging.pieces(key)) pieces.push(Buffer.from(piece));
          expect(Buffer.concat(pieces).equals(content)).toBe(true);
        },
      );

      it("stops reading an object whose pieces are not wanted any more", async () => {
        const key = `${fresh()}1`;
        await staging.put(key, randomBytes(2 * MiB), ROOMY);
        for await (const piece of await staging.pieces(key)) {
          expect(piece.length).toBeGreaterThan(0);
          break;
        }
        expect((await staging.head(key))?.size).toBe(2 * MiB);
      });

      it("takes bytes as they are", async () => {
        const key = `${fresh()}1`;
        expect(await staging.put(key, Buffer.from("hello"), ROOMY)).toEqual({
          size: 5,
          xxh64: "26c7827d889f6da3",
        });
        expect(String(await read(key))).toBe("hello");
      });

      it("takes tens of thousands of tiny chunks", async () => {
        const key = `${fresh()}1`;
        const tiny = Readable.from(
          (function* () {
            for (let i = 0; i < 20_000; i++) yield Buffer.from([i & 255]);
          })(),
          { objectMode: false },
        );
        expect((await staging.put(key, tiny, ROOMY)).size).toBe(20_000);
        expect(await read(key)).toEqual(Buffer.from(Array.from({ length: 20_000 }, (_, i) => i & 255)));
      });

      it("replaces an object whole", async () => {
        const key = `${fresh()}1`;
        await staging.put(key, Buffer.alloc(1000, "a"), ROOMY);
        await staging.put(key, Buffer.from("b"), ROOMY);
        expect(String(await read(key))).toBe("b");
      });

      it("keeps one of several contents put at once, whole", async () => {
        const prefix = fresh();
        const contents = Array.from({ length: 8 }, (_, i) => Buffer.alloc(1 * MiB + i, `${i}`));
        await Promise.all(
          contents.map((content) =>
            staging.put(`${prefix}1`, Readable.from(cut(content), { objectMode: false }), ROOMY),
          ),
        );
        const kept = digest(await read(`${prefix}1`));
        expect(contents.map(digest)).toContain(kept);
        expect(await staging.list(prefix)).toHaveLength(1);
      });

      it("gives what was opened, also when it is replaced or deleted meanwhile", async () => {
        const key = `${fresh()}1`;
        const content = randomBytes(2 * MiB);
        await staging.put(key, content, ROOMY);
        const { body } = await staging.get(key);
        await staging.put(key, Buffer.from("other"), ROOMY);
        await staging.deletePrefix(key);
        expect(digest(await buffer(body))).toBe(digest(content));
      });

      it("removes one object and no other, and nothing where there is none", async () => {
        const prefix = fresh();
        for (const name of ["1", "12", "1.whole", "2/1"])
          await staging.put(`${prefix}${name}`, Buffer.from(name), ROOMY);
        await staging.remove(`${prefix}1`);
        for (const name of ["1", "2", "3/4"]) await staging.remove(`${prefix}${name}`);
        const left = (await staging.list(prefix)).map(({ key }) => key.slice(prefix.length));
        expect(left.sort()).toEqual(["1.whole", "12", "2/1"]);
        await expect(staging.remove(prefix)).rejects.toEqual(code("INVALID_PATH"));
      });

      it("has no object that was never put", async () => {
        const key = `${fresh()}1`;
        await expect(staging.get(key)).rejects.toEqual(code("FILE_NOT_FOUND"));
        await expect(staging.pieces(key)).rejects.toEqual(code("FILE_NOT_FOUND"));
        expect(await staging.head(key)).toBeUndefined();
      });

      it("tells size and time of an object", async () => {
        const key = `${fresh()}1`;
        await staging.put(key, Buffer.from("hello"), ROOMY);
        const head = await staging.head(key);
        expect(head).toMatchObject({ key, size: 5 });
        expect(Math.abs(head!.modified - Date.now())).toBeLessThan(3600_000);
      });
    });

    describe("a put that fails", () => {
      const attempt = async (
        body: Readable | Uint8Array,
        options: { maxBytes: number; signal?: AbortSignal },
      ) => {
        const prefix = fresh();
        const error = await staging.put(`${prefix}1`, body, options).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(await staging.list(prefix)).toEqual([]);
        expect(await staging.listNames(prefix)).toEqual([]);
        return error;
      };

      it("leaves nothing when the content is over maxBytes", async () => {
        expect(await attempt(Buffer.alloc(11), { maxBytes: 10 })).toEqual(code("BODY_TOO_LARGE"));
        const long = Readable.from(cut(Buffer.alloc(5 * MiB)), { objectMode: false });
        expect(await attempt(long, { maxBytes: 1 * MiB })).toEqual(code("BODY_TOO_LARGE"));
        expect(long.destroyed).toBe(false);
        long.destroy();
      });

      it("allows maxBytes exactly", async () => {
        const key = `${fresh()}1`;
        expect((await staging.put(key, Buffer.alloc(10), { maxBytes: 10 })).size).toBe(10);
      });

      it("leaves nothing when the body breaks", async () => {
        const broken = new Error("broken");
        const body = Readable.from(
          (async function* () {
            yield randomBytes(2 * MiB);
            throw broken;
          })(),
          { objectMode: false },
        );
        expect(await attempt(body, ROOMY)).toBe(broken);
      });

      it("leaves nothing when the body is destroyed half way", async () => {
        const body = new PassThrough();
        const failed = attempt(body, ROOMY);
        body.write(randomBytes(3 * MiB), () => body.destroy());
        expect(await failed).toBeInstanceOf(Error);
      });

      it("leaves nothing when it is aborted half way, and throws the reason", async () => {
        const abort = new AbortController();
        const body = new PassThrough();
        const reason = new Error("enough");
        const failed = attempt(body, { ...ROOMY, signal: abort.signal });
        body.write(randomBytes(3 * MiB), () => abort.abort(reason));
        expect(await failed).toBe(reason);
        expect(body.destroyed).toBe(false);
        body.destroy();
      });

      it("does nothing when it was aborted before", async () => {
        const reason = new Error("enough");
        expect(await attempt(Buffer.from("x"), { ...ROOMY, signal: AbortSignal.abort(reason) })).toBe(reason);
      });

      it("leaves the object that was there", async () => {
        const key = `${fresh()}1`;
        await staging.put(key, Buffer.from("first"), ROOMY);
        await expect(staging.put(key, Buffer.alloc(20), { maxBytes: 10 })).rejects.toThrow();
        expect(String(await read(key))).toBe("first");
      });
    });

    describe("ranges", () => {
      const content = Buffer.from("0123456789");
      it.each([
        [0, 0, "0"],
        [0, 9, "0123456789"],
        [9, 9, "9"],
        [3, 5, "345"],
        [8, 100, "89"],
      ])("bytes %d to %d", async (start, end, text) => {
        const key = `${fresh()}1`;
        await staging.put(key, content, ROOMY);
        const part = await staging.get(key, { start, end });
        expect(part.size).toBe(text.length);
        expect(String(await buffer(part.body))).toBe(text);
      });

      it("refuses a range outside the object", async () => {
        const key = `${fresh()}1`;
        await staging.put(key, content, ROOMY);
        await expect(staging.get(key, { start: 10, end: 10 })).rejects.toEqual(code("RANGE_NOT_SATISFIABLE"));
        await staging.put(key, Buffer.alloc(0), ROOMY);
        await expect(staging.get(key, { start: 0, end: 0 })).rejects.toEqual(code("RANGE_NOT_SATISFIABLE"));
      });
    });

    describe("keys", () => {
      const hostile = [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "a/./b",
        "a\0b",
        "a\nb",
        "\ud800",
        "x".repeat(KEY_PART_BYTES + 1),
        `${"x/".repeat(KEY_BYTES / 2)}x`,
      ];
      it.each(hostile.map((key) => [key.slice(0, 40), key]))("refuses %j everywhere", async (_name, key) => {
        const refused = code("INVALID_PATH");
        await expect(staging.put(key, Buffer.from("x"), ROOMY)).rejects.toEqual(refused);
        await expect(staging.get(key)).rejects.toEqual(refused);
        await expect(staging.head(key)).rejects.toEqual(refused);
        await expect(staging.signGet(key, 60)).rejects.toEqual(refused);
        await expect(staging.signPut(key, 60, 1)).rejects.toEqual(refused);
      });

      it.each(["../", "a/../", "/", "a//", "a/\0", ""])("refuses to delete the prefix %j", async (prefix) => {
        await expect(staging.deletePrefix(prefix)).rejects.toEqual(code("INVALID_PATH"));
      });

      it("keeps apart whatever keys there may be, and lists them bytewise", async () => {
        const part = fc
          .oneof(
            fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
            fc.constantFrom(
              "a",
              "a~",
              "a%",
              "%2E",
              ".a",
              "a.",
              "a-",
              "a0",
              "A",
              "~",
              "...",
              "é",
              "\u{1f680}",
              "\uffee",
            ),
          )
          .filter(
            (part) =>
              !/[\u0000-\u001f\u007f/]/.test(part) && part !== "." && part !== ".." && part.isWellFormed(),
          );
        const key = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
        await fc.assert(
          fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 8 }), async (keys) => {
            const prefix = fresh();
            for (const key of keys) await staging.put(prefix + key, Buffer.from(key), ROOMY);
            const sorted = keys.map((key) => prefix + key).sort(compareKeys);
            expect((await staging.list(prefix)).map(({ key }) => key)).toEqual(sorted);
            for (const key of keys) expect(String(await read(prefix + key))).toBe(key);
            const middle = sorted[sorted.length >> 1]!;
            expect((await staging.list(prefix, { after: middle })).map(({ key }) => key)).toEqual(
              sorted.slice((sorted.length >> 1) + 1),
            );
            await staging.deletePrefix(prefix);
            expect(await staging.list(prefix)).toEqual([]);
          }),
          { numRuns: 40 },
        );
      });
    });

    describe("prefixes", () => {
      const fill = async () => {
        const prefix = fresh();
        for (const key of ["a", "a/1", "a/2", "a-b/1", "ab/1/x", "b"]) {
          await staging.put(prefix + key, Buffer.alloc(key.length), ROOMY);
        }
        const keys = async (under: string, options = {}) =>
          (await staging.list(prefix + under, options)).map(({ key }) => key.slice(prefix.length));
        return { prefix, keys };
      };

      it("lists in bytewise order across levels", async () => {
        const { keys } = await fill();
        expect(await keys("")).toEqual(["a", "a-b/1", "a/1", "a/2", "ab/1/x", "b"]);
        expect(await keys("a/")).toEqual(["a/1", "a/2"]);
        expect(await keys("a")).toEqual(["a", "a-b/1", "a/1", "a/2", "ab/1/x"]);
        expect(await keys("nothing/")).toEqual([]);
      });

      it("pages with after and limit", async () => {
        const { prefix, keys } = await fill();
        expect(await keys("", { limit: 2 })).toEqual(["a", "a-b/1"]);
        expect(await keys("", { limit: 2, after: `${prefix}a-b/1` })).toEqual(["a/1", "a/2"]);
        expect(await keys("", { after: `${prefix}a/` })).toEqual(["a/1", "a/2", "ab/1/x", "b"]);
        expect(await keys("", { after: `${prefix}b` })).toEqual([]);
        expect(await keys("", { limit: 0 })).toEqual([]);
      });

      it("lists a thousand unless told otherwise", async () => {
        const prefix = fresh();
        await Promise.all(
          Array.from({ length: 1001 }, (_, i) => staging.put(`${prefix}${i}`, Buffer.alloc(1), ROOMY)),
        );
        expect(await staging.list(prefix)).toHaveLength(1000);
        expect(await staging.list(prefix, { limit: 2000 })).toHaveLength(1001);
        expect(await staging.usage(prefix)).toBe(1001);
      });

      it("names one level", async () => {
        const { prefix } = await fill();
        expect(await staging.listNames(prefix)).toEqual(["a", "a-b", "ab", "b"]);
        expect(await staging.listNames(`${prefix}a/`)).toEqual(["1", "2"]);
        expect(await staging.listNames(`${prefix}none/`)).toEqual([]);
      });

      it("counts bytes", async () => {
        const { prefix } = await fill();
        expect(await staging.usage(`${prefix}a/`)).toBe(6);
        expect(await staging.usage(prefix)).toBe(1 + 3 + 3 + 5 + 6 + 1);
        expect(await staging.usage(`${prefix}none/`)).toBe(0);
      });

      it("deletes what is under a prefix and nothing else", async () => {
        const { prefix, keys } = await fill();
        await staging.deletePrefix(`${prefix}a/`);
        expect(await keys("")).toEqual(["a", "a-b/1", "ab/1/x", "b"]);
        await staging.deletePrefix(`${prefix}b`);
        expect(await keys("")).toEqual(["a", "a-b/1", "ab/1/x"]);
        await staging.deletePrefix(`${prefix}a`);
        expect(await keys("")).toEqual([]);
        await staging.deletePrefix(prefix);
      });

      it("can put while the same prefix is deleted again and again", async () => {
        const prefix = fresh();
        for (let i = 0; i < 20; i++) {
          await Promise.all([
            staging.put(`${prefix}x/${i}`, Buffer.from("x"), ROOMY),
            staging.deletePrefix(`${prefix}x/`),
            staging.deletePrefix(prefix),
          ]);
        }
        await staging.deletePrefix(prefix);
        expect(await staging.list(prefix)).toEqual([]);
      });
    });

    describe("signed URLs", () => {
      it("read and write without anything else", async () => {
        const key = `${fresh()}what/é %2F?#~ü`;
        const content = randomBytes(2 * MiB + 1);
        const put = await made.fetchSigned(await staging.signPut(key, 60, content.length), {
          method: "PUT",
          body: content,
        });
        expect(put.status).toBe(200);
        await put.arrayBuffer();
        expect(digest(await read(key))).toBe(digest(content));
        const url = await staging.signGet(key, 60);
        expect([undefined, ...(await staging.origins())]).toContain(URL.parse(url)?.origin);
        const got = await made.fetchSigned(url);
        expect(got.status).toBe(200);
        expect(got.headers.get("content-length")).toBe(String(content.length));
        expect(digest(Buffer.from(await got.arrayBuffer()))).toBe(digest(content));
      });

      it.each([
        ["bytes=0-0", 206, "0", "bytes 0-0/10"],
        ["bytes=4-", 206, "456789", "bytes 4-9/10"],
        ["bytes=-3", 206, "789", "bytes 7-9/10"],
        ["bytes=-30", 206, "0123456789", "bytes 0-9/10"],
        ["bytes=8-100", 206, "89", "bytes 8-9/10"],
        ["bytes=10-", 416, undefined, "bytes */10"],
      ])("serve %s", async (range, status, text, contentRange) => {
        const key = `${fresh()}1`;
        await staging.put(key, Buffer.from("0123456789"), ROOMY);
        const response = await made.fetchSigned(await staging.signGet(key, 60), { headers: { range } });
        expect(response.status).toBe(status);
        // S3 tells the size of an object in the body of a 416 only
        const told = response.headers.get("content-range");
        if (status !== 416 || told !== null) expect(told).toBe(contentRange);
        const body = await response.text();
        if (text !== undefined) expect(body).toBe(text);
      });

      it("are for one key, one method and a time", async () => {
        const prefix = fresh();
        await staging.put(`${prefix}1`, Buffer.from("one"), ROOMY);
        await staging.put(`${prefix}2`, Buffer.from("two"), ROOMY);
        const get = await staging.signGet(`${prefix}1`, 60);
        const put = await staging.signPut(`${prefix}1`, 60, 100);
        const refused = async (url: string, init?: RequestInit) => {
          const response = await made.fetchSigned(url, init);
          await response.arrayBuffer();
          return response.status;
        };
        expect(await refused(get.replace(`${prefix}1`, `${prefix}2`))).toBe(403);
        expect(await refused(get, { method: "PUT", body: "evil" })).toBe(403);
        expect(await refused(put)).toBe(403);
        expect(await refused(await staging.signGet(`${prefix}1`, -1))).toBe(403);
        expect(await refused(get.replace(/[?].*/, ""))).toBe(403);
        expect(String(await read(`${prefix}1`))).toBe("one");
      });

      it("tell of an object that is not there", async () => {
        const response = await made.fetchSigned(await staging.signGet(`${fresh()}1`, 60));
        expect(response.status).toBe(404);
        await response.arrayBuffer();
      });

      it("leave nothing of an upload that was cut", async () => {
        const prefix = fresh();
        const url = await staging.signPut(`${prefix}1`, 60, 64 * MiB);
        const abort = new AbortController();
        const body = new PassThrough();
        const cutOff = made.fetchSigned(url, {
          method: "PUT",
          body: Readable.toWeb(body) as ReadableStream,
          duplex: "half",
          signal: abort.signal,
        } as RequestInit);
        body.write(randomBytes(8 * KiB));
        if (body.writableLength > 0) await once(body, "drain");
        abort.abort();
        await expect(cutOff).rejects.toThrow();
        body.destroy();
        expect(await staging.list(prefix)).toEqual([]);
      });
    });
  });
}

/** Odd pieces, so that chunk borders fall anywhere. */
function* cut(content: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < content.length; at += size, size = Math.min(size * 3 + 1, 65_536)) {
    yield content.subarray(at, at + size);
  }
}

function digest(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

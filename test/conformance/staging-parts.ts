import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { crc32 as crcOf } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Part,
  type PartLayout,
  partBytes,
  partCount,
  type SignedUpload,
} from "#lambdas/ports/part-uploads.ts";
import type { Staging } from "#lambdas/ports/staging.ts";
import { chunkKey, chunksOf, openChunks } from "#lambdas/transfers/chunk-objects.ts";
import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import type { StagingUnderTest } from "./staging.ts";

const PART = LIMITS.partBytesLeast;

/** What every Staging's uploads in parts must do. `make` is called once; tests keep to prefixes of their own. */
export function stagingPartsConformance(name: string, make: () => Promise<StagingUnderTest>): void {
  describe(`uploads in parts: ${name}`, () => {
    let made: StagingUnderTest;
    let staging: Staging;
    let count = 0;
    const fresh = () => `uplink/parts/p${count++}/`;
    const send = async ({ url, headers }: SignedUpload, body: Uint8Array) => {
      const answer = await made.fetchSigned(url, {
        method: "PUT",
        body: body as RequestInit["body"],
        headers,
      });
      await answer.arrayBuffer();
      return answer.status;
    };
    const read = async (key: string) => buffer((await staging.get(key)).body);

    /** An upload that has begun, and how to send its parts. */
    const begin = async (content: Buffer, partSize = PART, key = `${fresh()}0`) => {
      const layout: PartLayout = { size: content.length, partSize };
      const upload = await staging.parts.begin(key, layout);
      const parts: Part[] = Array.from({ length: partCount(layout) }, (_, i) => {
        const bytes = slice(content, layout, i + 1);
        return { number: i + 1, size: bytes.length, crc32: crc(bytes) };
      });
      const sign = (number: number) => staging.parts.signPart(key, upload, parts[number - 1]!, 60);
      const put = async (number: number) => send(await sign(number), slice(content, layout, number));
      return { key, upload, parts, sign, put, layout };
    };

    beforeAll(async () => {
      made = await make();
      staging = made.staging;
    });
    afterAll(() => made?.close());

    it("makes an object of its parts, in whatever order they came", async () => {
      const content = randomBytes(2 * PART + 17);
      const { key, upload, parts, put } = await begin(content);
      for (const number of [3, 1, 2]) expect(await put(number)).toBe(200);
      expect(await staging.parts.arrived(key, upload)).toEqual(parts);
      expect(await staging.head(key)).toBeUndefined();
      expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
      expect((await read(key)).equals(content)).toBe(true);
      expect(await staging.head(key)).toMatchObject({ key, size: content.length });
    });

    it("takes parts that come at once", async () => {
      const content = randomBytes(4 * PART);
      const { key, upload, parts, put } = await begin(content);
      const statuses = await Promise.all([put(1), put(2), put(3), put(4)]);
      expect(statuses).toEqual([200, 200, 200, 200]);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
      expect((await read(key)).equals(content)).toBe(true);
    });

    it("takes an object of one part, and of one byte", async () => {
      for (const size of [1, PART]) {
        const content = randomBytes(size);
        const { key, upload, parts, put } = await begin(content);
        expect(parts).toHaveLength(1);
        expect(await put(1)).toBe(200);
        expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
        expect((await read(key)).equals(content)).toBe(true);
      }
    });

    it("names what is missing, changes nothing, and is completed later", async () => {
      const content = randomBytes(2 * PART + 1);
      const { key, upload, parts, put } = await begin(content);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([1, 2, 3]);
      await put(2);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([1, 3]);
      expect(await staging.head(key)).toBeUndefined();
      expect(await staging.parts.arrived(key, upload)).toEqual([parts[1]]);
      await put(3);
      await put(1);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
      expect((await read(key)).equals(content)).toBe(true);
    });

    it("is completed once however often it is asked, also at once", async () => {
      const content = randomBytes(PART + 1);
      const { key, upload, parts, put } = await begin(content);
      await put(1);
      await put(2);
      const complete = () => staging.parts.complete(key, upload, parts);
      expect(await Promise.all([complete(), complete(), complete()])).toEqual([[], [], []]);
      expect(await complete()).toEqual([]);
      expect((await read(key)).equals(content)).toBe(true);
    });

    it("takes a part again: the last counts", async () => {
      const content = randomBytes(PART + 5);
      const { key, upload, parts, put } = await begin(content);
      const other = randomBytes(5);
      const wrong = { number: 2, size: 5, crc32: crc(other) };
      await put(1);
      expect(await send(await staging.parts.signPart(key, upload, wrong, 60), other)).toBe(200);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([2]);
      expect(await put(2)).toBe(200);
      expect(await put(2)).toBe(200);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
      expect((await read(key)).equals(content)).toBe(true);
    });

    it.each([
      [
        "with one byte changed",
        (bytes: Buffer) => Buffer.concat([Buffer.from([bytes[0]! ^ 1]), bytes.subarray(1)]),
      ],
      ["that is too short", (bytes: Buffer) => bytes.subarray(1)],
      ["that is too long", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("x")])],
      ["that is empty", () => Buffer.alloc(0)],
    ])("refuses a part %s", async (_what, spoil) => {
      const content = randomBytes(PART + 100);
      const { key, upload, sign, layout, put } = await begin(content);
      const refused = await send(await sign(2), spoil(slice(content, layout, 2)));
      expect(refused).toBeGreaterThanOrEqual(400);
      expect(refused).toBeLessThan(500);
      expect(await staging.parts.arrived(key, upload)).toEqual([]);
      expect(await put(2)).toBe(200);
    });

    it.each([
      ["with one byte changed", Buffer.from("hellO")],
      ["that is too short", Buffer.from("hell")],
      ["that is too long", Buffer.from("hello!")],
    ])("refuses a whole object %s", async (_what, body) => {
      const key = `${fresh()}0`;
      const content = Buffer.from("hello");
      const signed = await staging.parts.signWhole(key, { size: 5, crc32: crc(content) }, 60);
      expect(await send(signed, body)).toBeGreaterThanOrEqual(400);
      expect(await staging.head(key)).toBeUndefined();
      expect(await send(signed, content)).toBe(200);
      expect(String(await read(key))).toBe("hello");
    });

    it("takes an empty object whole", async () => {
      const key = `${fresh()}0`;
      const signed = await staging.parts.signWhole(key, { size: 0, crc32: "00000000" }, 60);
      expect(await send(signed, Buffer.alloc(0))).toBe(200);
      expect(await staging.head(key)).toMatchObject({ key, size: 0 });
    });

    it("signs for one part, one upload, one key and a time", async () => {
      const content = randomBytes(2 * PART);
      const one = await begin(content);
      const two = await begin(content);
      const { url, headers } = await one.sign(1);
      const first = slice(content, one.layout, 1);
      const altered = [
        url.replace(one.key, two.key),
        url.replaceAll(one.upload, two.upload),
        url.replace(/([?&](?:part|partNumber)=)1/, "$12"),
        url.replace(/[?].*/, ""),
        url.replace(/(signature=)(.)/i, (_all, name, first) => name + (first === "a" ? "b" : "a")),
      ];
      for (const forged of altered) {
        expect(forged).not.toBe(url);
        expect(await send({ url: forged, headers }, first)).toBeGreaterThanOrEqual(400);
      }
      expect(await send(await staging.parts.signPart(one.key, one.upload, one.parts[0]!, -1), first)).toBe(
        403,
      );
      expect((await made.fetchSigned(url, { headers })).status).toBeGreaterThanOrEqual(400);
      for (const { key, upload } of [one, two]) expect(await staging.parts.arrived(key, upload)).toEqual([]);
    });

    it("counts and lists nothing before it is complete", async () => {
      const prefix = fresh();
      const { put } = await begin(randomBytes(PART), PART, `${prefix}0`);
      await put(1);
      expect(await staging.list(prefix)).toEqual([]);
      expect(await staging.usage(prefix)).toBe(0);
    });

    it("keeps uploads of one key apart", async () => {
      const key = `${fresh()}0`;
      const contents = [randomBytes(PART), randomBytes(PART)];
      const [one, two] = [await begin(contents[0]!, PART, key), await begin(contents[1]!, PART, key)];
      await one.put(1);
      expect(await staging.parts.arrived(key, two.upload)).toEqual([]);
      await two.put(1);
      expect(await staging.parts.complete(key, one.upload, one.parts)).toEqual([]);
      expect((await read(key)).equals(contents[0]!)).toBe(true);
    });

    it.each(["prefix", "key"])(
      "ends with its %s: nothing of it stays, nothing is taken any more",
      async (what) => {
        const prefix = fresh();
        const content = randomBytes(PART + 1);
        const { key, upload, parts, put, sign, layout } = await begin(content, PART, `${prefix}0`);
        const beside = await begin(content, PART, `${fresh()}0`);
        await put(1);
        const signed = await sign(2);
        await staging.deletePrefix(what === "prefix" ? prefix : key);
        expect(await staging.parts.arrived(key, upload)).toEqual([]);
        expect(await send(signed, slice(content, layout, 2))).toBe(404);
        expect(await staging.parts.complete(key, upload, parts)).toEqual([1, 2]);
        expect(await staging.list(prefix)).toEqual([]);
        expect(await beside.put(1)).toBe(200);
      },
    );

    it("knows no upload that was never begun", async () => {
      const key = `${fresh()}0`;
      expect(await staging.parts.arrived(key, "0123456789abcdef")).toEqual([]);
      const parts = [{ number: 1, size: 1, crc32: "00000000" }];
      expect(await staging.parts.complete(key, "0123456789abcdef", parts)).toEqual([1]);
    });

    it("has no part of a connection that was cut, and takes it again", async () => {
      const content = randomBytes(PART);
      const { key, upload, parts, sign, put } = await begin(content);
      const { url, headers } = await sign(1);
      const abort = new AbortController();
      const body = new PassThrough();
      const cut = made.fetchSigned(url, {
        method: "PUT",
        headers,
        body: Readable.toWeb(body) as ReadableStream,
        duplex: "half",
        signal: abort.signal,
      } as RequestInit);
      body.write(content.subarray(0, 64 * KiB));
      if (body.writableLength > 0) await once(body, "drain");
      abort.abort();
      await expect(cut).rejects.toThrow();
      body.destroy();
      expect(await staging.parts.arrived(key, upload)).toEqual([]);
      expect(await put(1)).toBe(200);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
      expect((await read(key)).equals(content)).toBe(true);
    });

    it.each([
      [{ size: 0, partSize: PART }],
      [{ size: -1, partSize: PART }],
      [{ size: 1.5, partSize: PART }],
      [{ size: 10, partSize: PART - 1 }],
      [{ size: PART * 10_000 + 1, partSize: PART }],
    ])("refuses the layout %j", async (layout) => {
      await expect(staging.parts.begin(`${fresh()}0`, layout)).rejects.toThrow(RangeError);
    });

    describe("parts that are objects of their own", () => {
      const CHUNK = 64 * KiB;
      const chunked = async (content: Buffer) => {
        const key = `${fresh()}t0123456789abcdef.0`;
        const count = Math.ceil(content.length / CHUNK);
        const parts = Array.from({ length: count }, (_, i) => {
          const bytes = content.subarray(i * CHUNK, (i + 1) * CHUNK);
          return { number: i + 1, size: bytes.length, crc32: crc(bytes) };
        });
        const put = async (number: number, bytes?: Buffer) => {
          const part = parts[number - 1]!;
          const signed = await staging.parts.signWhole(chunkKey(key, part), part, 60);
          return send(signed, bytes ?? content.subarray((number - 1) * CHUNK, number * CHUNK));
        };
        const arrived = async (first?: number, last?: number) => {
          const found: Part[] = [];
          for await (const { number, size, crc32 } of chunksOf(staging, key, first, last)) {
            found.push({ number, size, crc32 });
          }
          return found;
        };
        return { key, parts, put, arrived, of: { key, size: content.length, chunkBytes: CHUNK } };
      };

      it("are listed by number, with size and CRC32, and are read as one", async () => {
        const content = randomBytes(11 * CHUNK + 17);
        const { parts, put, arrived, of } = await chunked(content);
        const order = [12, 3, 1, 2, 10, 11, 4, 5, 9, 6, 8, 7];
        for (const number of order) {
          expect(await put(number)).toBe(200);
          expect(await put(number)).toBe(200);
        }
        expect(await arrived()).toEqual(parts);
        expect(await arrived(10, 11)).toEqual(parts.slice(9, 11));
        expect((await buffer((await openChunks(staging, of)).body)).equals(content)).toBe(true);
        for (const [start, end] of [
          [0, 0],
          [CHUNK - 1, CHUNK],
          [CHUNK, 3 * CHUNK - 1],
          [5 * CHUNK + 3, 1e12],
          [content.length - 1, content.length - 1],
        ] as const) {
          const { body, size } = await openChunks(staging, of, { start, end });
          const part = content.subarray(start, end + 1);
          expect(size).toBe(part.length);
          expect((await buffer(body)).equals(part)).toBe(true);
        }
      });

      it("are refused with other content, and what is missing is told", async () => {
        const content = randomBytes(2 * CHUNK);
        const { parts, put, arrived, of } = await chunked(content);
        expect(await put(1)).toBe(200);
        expect(await put(2, randomBytes(CHUNK))).toBeGreaterThanOrEqual(400);
        expect(await arrived()).toEqual([parts[0]]);
        const reading = openChunks(staging, of).then(({ body }) => buffer(body));
        await expect(reading).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
      });

      it("go with any beginning of their keys, and count in the usage of it", async () => {
        const { key, put, arrived } = await chunked(randomBytes(CHUNK + 1));
        await put(1);
        await put(2);
        const beginning = key.slice(0, -1);
        expect(await staging.usage(beginning)).toBe(CHUNK + 1);
        await staging.deletePrefix(beginning);
        expect(await arrived()).toEqual([]);
      });
    });

    it("takes parts of several sizes", async () => {
      const content = randomBytes(2 * (PART + 3) + 1);
      const { key, upload, parts, put } = await begin(content, PART + 3);
      for (const { number } of parts) await put(number);
      expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
      expect((await read(key)).equals(content)).toBe(true);
      expect(content.length).toBeGreaterThan(10 * MiB);
    });
  });
}

function slice(content: Buffer, layout: PartLayout, number: number): Buffer {
  const start = (number - 1) * layout.partSize;
  return content.subarray(start, start + partBytes(layout, number));
}

function crc(bytes: Uint8Array): string {
  return crcOf(bytes).toString(16).padStart(8, "0");
}

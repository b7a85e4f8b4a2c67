import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { stagingPartsConformance } from "#test/conformance/staging-parts.ts";
import { servedDirectoryStaging } from "#test/support/served-directory-staging.ts";
import { DirectoryStaging } from "./staging.ts";

const SECRET = randomBytes(32);
const PART = LIMITS.partBytesLeast;

stagingPartsConformance("directory", servedDirectoryStaging);

describe("uploads in a directory", () => {
  let root: string;
  const open = (freeFloorBytes = 0) => DirectoryStaging.open(root, { secret: SECRET, freeFloorBytes });
  const partOf = (content: Uint8Array, number = 1) => ({
    number,
    size: content.length,
    crc32: crc32(content).toString(16).padStart(8, "0"),
  });

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), "staging-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it("keeps what has arrived over a restart", async () => {
    const content = randomBytes(PART);
    const key = "uplink/a/b/c/0";
    const before = await open();
    const upload = await before.parts.begin(key, { size: PART + 1, partSize: PART });
    await before.parts.write({ key, upload, part: partOf(content) }, Readable.from([content]));
    const after = await open();
    expect(await after.parts.arrived(key, upload)).toEqual([partOf(content)]);
    const last = Buffer.from("x");
    await after.parts.write({ key, upload, part: partOf(last, 2) }, Readable.from([last]));
    expect(await after.parts.complete(key, upload, [partOf(content), partOf(last, 2)])).toEqual([]);
    const whole = await buffer((await after.get(key)).body);
    expect(whole.equals(Buffer.concat([content, last]))).toBe(true);
    expect(await readdir(path.join(root, "objects/uplink/a/b/c"))).toEqual(["0~"]);
  });

  it("is complete where the object stands and a power cut has left some records of its parts", async () => {
    const content = randomBytes(PART);
    const key = "uplink/a/b/c/0";
    const staging = await open();
    const parts = [partOf(content), partOf(content, 2)];
    const upload = await staging.parts.begin(key, { size: 2 * PART, partSize: PART });
    const directory = path.join(root, `objects/uplink/a/b/c/0+${upload}`);
    await staging.parts.write({ key, upload, part: parts[0]! }, Readable.from([content]));
    const first = await readFile(path.join(directory, "parts"));
    await staging.parts.write({ key, upload, part: parts[1]! }, Readable.from([content]));
    expect(await staging.parts.complete(key, upload, parts)).toEqual([]);
    // the object's name is on disk, that the upload's directory is gone is not
    await mkdir(directory);
    await writeFile(path.join(directory, "parts"), first);
    const after = await open();
    expect(await after.parts.arrived(key, upload)).toEqual([]);
    expect(await after.parts.complete(key, upload, parts)).toEqual([]);
  });

  it("takes a part again whose record a power cut has lost", async () => {
    const content = randomBytes(PART);
    const key = "uplink/a/b/c/0";
    const staging = await open();
    const parts = [partOf(content), partOf(content, 2)];
    const upload = await staging.parts.begin(key, { size: 2 * PART, partSize: PART });
    const record = path.join(root, `objects/uplink/a/b/c/0+${upload}/parts`);
    const begun = await readFile(record);
    for (const part of parts) await staging.parts.write({ key, upload, part }, Readable.from([content]));
    const both = await readFile(record);
    // the record of the second is on disk, that of the first is as it was
    await writeFile(record, Buffer.concat([both.subarray(0, 16), begun.subarray(16, 24), both.subarray(24)]));
    const after = await open();
    expect(await after.parts.complete(key, upload, parts)).toEqual([1]);
    await after.parts.write({ key, upload, part: parts[0]! }, Readable.from([content]));
    expect(await after.parts.complete(key, upload, parts)).toEqual([]);
    const whole = await buffer((await after.get(key)).body);
    expect(whole.equals(Buffer.concat([content, content]))).toBe(true);
  });

  it("lets the newest sender of a part win, and the stuck one end", async () => {
    const staging = await open();
    const content = randomBytes(PART);
    const key = "k";
    const upload = await staging.parts.begin(key, { size: PART, partSize: PART });
    const target = { key, upload, part: partOf(content) };
    const stuck = new PassThrough();
    const first = staging.parts.write(target, stuck);
    first.catch(() => undefined);
    stuck.write(randomBytes(1000));
    await staging.parts.write(target, Readable.from([content]));
    await expect(first).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
    expect(stuck.destroyed).toBe(false);
    stuck.destroy();
    expect(await staging.parts.complete(key, upload, [partOf(content)])).toEqual([]);
    expect((await buffer((await staging.get(key)).body)).equals(content)).toBe(true);
  });

  it("forgets that a part was there as soon as it is written over", async () => {
    const staging = await open();
    const content = randomBytes(PART);
    const upload = await staging.parts.begin("k", { size: PART, partSize: PART });
    const target = { key: "k", upload, part: partOf(content) };
    await staging.parts.write(target, Readable.from([content]));
    const spoilt = Buffer.from(content);
    spoilt[7]! ^= 1;
    const again = staging.parts.write(target, Readable.from([spoilt]));
    await expect(again).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH" });
    expect(await staging.parts.arrived("k", upload)).toEqual([]);
  });

  it("takes 32 parts of one level at once, and others beside them", async () => {
    const staging = await open();
    const content = randomBytes(10);
    const target = (key: string) => ({ key, part: partOf(content, 0) });
    const stuck = Array.from({ length: 32 }, (_, i) => {
      const body = new PassThrough();
      const ended = staging.parts.write(target(`a/${i}`), body).catch((error: unknown) => error);
      return { body, ended };
    });
    const more = () => staging.parts.write(target("a/more"), Readable.from([content]));
    await expect(more()).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS" });
    await staging.parts.write(target("b/0"), Readable.from([content]));
    for (const { body, ended } of stuck) {
      body.destroy();
      expect(await ended).toBeInstanceOf(Error);
    }
    await more();
    expect((await staging.list("")).map(({ key }) => key)).toEqual(["a/more", "b/0"]);
  });

  it("stops at the free-space floor", async () => {
    const upload = await (await open()).parts.begin("k", { size: 5, partSize: PART });
    const full = await open(Number.MAX_SAFE_INTEGER);
    const content = Buffer.from("hello");
    await expect(full.parts.begin("l", { size: 5, partSize: PART })).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    const target = { key: "k", upload, part: partOf(content) };
    await expect(full.parts.write(target, Readable.from([content]))).rejects.toMatchObject({
      code: "STORAGE_FULL",
    });
    expect(await full.parts.arrived("k", upload)).toEqual([]);
  });

  it("has what was sent last and right, whatever comes in whatever order, over restarts", async () => {
    const sizes = [PART, PART, 100];
    const step = fc.oneof(
      fc.record({ do: fc.constant("put" as const), part: fc.integer({ min: 1, max: 3 }) }),
      fc.record({
        do: fc.constantFrom("spoil" as const, "cut" as const),
        part: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({ do: fc.constantFrom("reopen" as const, "complete" as const), part: fc.constant(0) }),
    );
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const key = `model/${runs++}`;
        const contents = sizes.map((size) => randomBytes(size));
        const parts = contents.map((content, i) => partOf(content, i + 1));
        const there = new Set<number>();
        let complete = false;
        let staging = await open();
        const upload = await staging.parts.begin(key, { size: 2 * PART + 100, partSize: PART });
        for (const { do: what, part } of steps) {
          const content = contents[part - 1]!;
          const target = { key, upload, part: parts[part - 1]! };
          if (what === "reopen") staging = await open();
          else if (what === "complete") {
            const missing: number[] = complete ? [] : [1, 2, 3].filter((number) => !there.has(number));
            expect(await staging.parts.complete(key, upload, parts)).toEqual(missing);
            complete ||= missing.length === 0;
          } else if (complete) {
            const late = staging.parts.write(target, Readable.from([content]));
            await expect(late).rejects.toMatchObject({ code: "UPLINK_NOT_FOUND" });
          } else if (what === "put") {
            await staging.parts.write(target, Readable.from([content]));
            there.add(part);
          } else {
            const spoilt = Buffer.from(content);
            spoilt[spoilt.length >> 1]! ^= 1;
            const sent = what === "cut" ? content.subarray(0, -1) : spoilt;
            await expect(staging.parts.write(target, Readable.from([sent]))).rejects.toThrow();
            there.delete(part);
          }
          const numbers = (await staging.parts.arrived(key, upload)).map(({ number }) => number);
          expect(numbers).toEqual(complete ? [] : [...there].sort());
        }
        expect((await staging.head(key)) !== undefined).toBe(complete);
        if (complete) {
          const whole = await buffer((await staging.get(key)).body);
          expect(whole.equals(Buffer.concat(contents))).toBe(true);
        }
        await staging.deletePrefix("model/");
      }),
      { numRuns: 15 },
    );
    expect(await readdir(path.join(root, "objects"))).toEqual([]);
  });

  it("leaves no directory behind when uploads end", async () => {
    const staging = await open();
    const content = randomBytes(10);
    for (const key of ["a/b/0", "a/b/1"]) {
      const upload = await staging.parts.begin(key, { size: 10, partSize: PART });
      await staging.parts.write({ key, upload, part: partOf(content) }, Readable.from([content]));
    }
    await staging.deletePrefix("a/b/0");
    expect(await readdir(path.join(root, "objects/a/b"))).toHaveLength(1);
    await staging.deletePrefix("a/b/");
    expect(await readdir(path.join(root, "objects"))).toEqual([]);
  });
});

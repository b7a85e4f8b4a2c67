import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { crc32, deflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ZipFile } from "yazl";
import { LIMITS } from "#protocol/limits.ts";
import { extractZip } from "./extract-zip.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "perigee-zip-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

type Entry = { name: string; content?: string; size?: number; mode?: number; sum?: number; method?: number };

/** A zip as somebody hostile writes it: names, sizes and sums are what they say. */
function zipOf(entries: Entry[]): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const { name, content = "", method = 8, mode = 0o100644, ...said } of entries) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const bytes = Buffer.from(name);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(bytes.length, 26);
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(method, 10);
    record.writeUInt32LE(said.sum ?? crc32(content), 16);
    record.writeUInt32LE(packed.length, 20);
    record.writeUInt32LE(said.size ?? Buffer.byteLength(content), 24);
    record.writeUInt16LE(bytes.length, 28);
    record.writeUInt32LE((mode << 16) >>> 0, 38);
    record.writeUInt32LE(offset, 42);
    parts.push(head, bytes, packed);
    list.push(record, bytes);
    offset += head.length + bytes.length + packed.length;
  }
  const central = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

const notices: string[] = [];
async function extract(zip: Buffer) {
  notices.length = 0;
  await writeFile(join(dir, "a.zip"), zip);
  const options = { notice: (text: string) => void notices.push(text), signal: new AbortController().signal };
  return extractZip(join(dir, "a.zip"), join(dir, "out"), options);
}
const names = async () => (await readdir(dir)).sort();

describe("a zip", () => {
  test.each([false, true])("of the agent's writer is unpacked whole, Zip64: %s", async (forceZip64Format) => {
    const zip = new ZipFile();
    zip.addBuffer(Buffer.from("one"), "a.txt", { forceZip64Format });
    zip.addBuffer(Buffer.alloc(3_000_000, "x"), "d/deep/b", { mode: 0o100755, forceZip64Format });
    zip.addBuffer(Buffer.alloc(0), "empty", { compress: false, forceZip64Format });
    zip.end({ forceZip64Format, comment: "" });
    const all = await buffer(zip.outputStream);
    expect(await extract(all)).toEqual({ files: 3, directories: 0, bytes: 3_000_003 });
    expect(await readFile(join(dir, "out/a.txt"), "utf8")).toBe("one");
    expect((await stat(join(dir, "out/d/deep/b"))).mode & 0o100).toBe(0o100);
    expect((await readFile(join(dir, "out/d/deep/b"))).equals(Buffer.alloc(3_000_000, "x"))).toBe(true);
    expect((await stat(join(dir, "out/empty"))).size).toBe(0);
  });

  test("of many files warns of nothing", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on("warning", note);
    try {
      const files = Array.from({ length: 30 }, (_, n) => ({ name: `${n}`, content: "x" }));
      expect(await extract(zipOf(files))).toEqual({ files: 30, directories: 0, bytes: 30 });
      // Node emits warnings in a later turn of the event loop
      await new Promise((done) => setImmediate(done));
    } finally {
      process.off("warning", note);
    }
    expect(warnings).toEqual([]);
  });

  test("without entries is an empty directory", async () => {
    expect(await extract(zipOf([]))).toEqual({ files: 0, directories: 0, bytes: 0 });
    expect(await readdir(join(dir, "out"))).toEqual([]);
  });

  test.each(["../evil", "/evil", "d/../../evil", "a\0b", ".."])(
    "with a path that leads out (%j) leaves nothing, inside and outside",
    async (name) => {
      const zip = zipOf([
        { name: "good", content: "x" },
        { name, content: "x" },
      ]);
      await expect(extract(zip)).rejects.toMatchObject({
        code: "BAD_ANSWER",
        hint: expect.stringContaining("--zip"),
      });
      expect(await names()).toEqual(["a.zip"]);
    },
  );

  test("a link is left out, so that nothing is written through it", async () => {
    const zip = zipOf([
      { name: "d", content: "/etc", mode: 0o120777 },
      { name: "d/evil", content: "x" },
    ]);
    expect(await extract(zip)).toMatchObject({ files: 1 });
    expect(notices).toEqual(["left out: d (a link, or a special file)"]);
    expect((await stat(join(dir, "out/d"))).isDirectory()).toBe(true);
  });

  test.each<[string, Entry[]]>([
    ["a wrong sum", [{ name: "a", content: "x", sum: 1 }]],
    ["more than it says", [{ name: "a", content: "x".repeat(100_000), size: 10 }]],
    ["less than it says", [{ name: "a", content: "x", size: 10 }]],
    ["Deflate that is none", [{ name: "a", content: "x".repeat(99), method: 0 }]],
    ["more than a result may be", [{ name: "a", size: LIMITS.jobResultBytes + 1 }]],
    ["a method that nobody reads", [{ name: "a", content: "x", method: 12 }]],
  ])("with %s is refused", async (what, entries) => {
    const zip = zipOf(entries);
    // said to be deflated
    if (what.startsWith("Deflate")) zip.writeUInt16LE(8, zip.length - 22 - 47 + 10);
    await expect(extract(zip)).rejects.toMatchObject({ code: "BAD_ANSWER" });
    expect(await names()).toEqual(["a.zip"]);
  });

  test("two files of one name are refused", async () => {
    const zip = zipOf([{ name: "a" }, { name: "./a" }]);
    await expect(extract(zip)).rejects.toMatchObject({ code: "LOCAL_FILE" });
    expect(await names()).toEqual(["a.zip"]);
  });

  test("that is cut anywhere is refused", async () => {
    const zip = zipOf([
      { name: "a", content: "some text" },
      { name: "b/c", content: "more" },
    ]);
    for (let length = 0; length < zip.length; length += 7) {
      await expect(extract(zip.subarray(0, length)), String(length)).rejects.toMatchObject({
        code: "BAD_ANSWER",
      });
    }
    expect(await names()).toEqual(["a.zip"]);
  });
});

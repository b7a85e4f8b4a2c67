import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ArchiveEntry, tarOf } from "#test/support/saved-archive.ts";
import { END_OF_TAR, fileHeader, paddingOf } from "./tar-header.ts";
import { type TarEntry, TarError, TarParser } from "./tar-parser.ts";

/** Reads a tar that comes in pieces of `size` bytes. */
function read(bytes: Buffer, size = bytes.length, maxEntries = 1000): (TarEntry & { content: string })[] {
  const parser = new TarParser(maxEntries);
  const entries: (TarEntry & { content: string })[] = [];
  for (let at = 0; at < bytes.length; at += Math.max(1, size)) {
    for (const event of parser.push(bytes.subarray(at, at + Math.max(1, size)))) {
      if ("entry" in event) entries.push({ ...event.entry, content: "" });
      else entries.at(-1)!.content += event.data.toString("latin1");
    }
  }
  parser.end();
  return entries;
}

const rechecked = (block: Buffer): Buffer => {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
};
const headerWith = (change: (block: Buffer) => void, name = "f", size = 0): Buffer => {
  const block = fileHeader(name, size);
  change(block);
  return rechecked(block);
};
const pax = (record: string, flag = "x"): Buffer => {
  const body = Buffer.from(record);
  const header = headerWith((block) => block.write(flag, 156), "pax", body.length);
  return Buffer.concat([header, body, paddingOf(body.length), fileHeader("f", 0), END_OF_TAR]);
};

describe("a tar", () => {
  test("is read whatever the pieces it comes in", async () => {
    const entries: ArchiveEntry[] = [
      { name: "dir/", type: "directory" },
      { name: "dir/file", content: "x".repeat(1000) },
      { name: `long/${"n".repeat(300)}`, content: "long" },
      { name: "empty", content: "" },
      { name: "link", type: "symlink", linkname: "dir/file" },
      { name: "hard", type: "link", linkname: "dir/file" },
      { name: "fifo", type: "fifo" },
    ];
    const bytes = await tarOf(entries);
    const whole = read(bytes);
    expect(whole.map(({ name, type }) => [name.replace(/\/$/, ""), type])).toEqual([
      ["dir", "directory"],
      ["dir/file", "file"],
      [`long/${"n".repeat(300)}`, "file"],
      ["empty", "file"],
      ["link", "symlink"],
      ["hard", "link"],
      ["fifo", "other"],
    ]);
    expect(whole[1]!.content).toBe("x".repeat(1000));
    expect(whole[4]!.linkname).toBe("dir/file");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), (size) => void expect(read(bytes, size)).toEqual(whole)),
      {
        numRuns: 50,
      },
    );
  });

  test("is written as it is read", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9/.]{1,90}[a-z]$/),
        fc.uint8Array({ maxLength: 1500 }),
        (name, content) => {
          const body = Buffer.from(content);
          const bytes = Buffer.concat([
            fileHeader(name, body.length),
            body,
            paddingOf(body.length),
            END_OF_TAR,
          ]);
          expect(read(bytes)).toEqual([
            {
              name,
              type: "file",
              size: body.length,
              linkname: "",
              executable: false,
              content: body.toString("latin1"),
            },
          ]);
        },
      ),
    );
    const giant = 9 * 1024 ** 3;
    const events = [...new TarParser(1).push(fileHeader("giant", giant))];
    expect(events).toMatchObject([{ entry: { name: "giant", size: giant } }]);
  });

  test.each<[string, Buffer]>([
    ["nothing", Buffer.alloc(0)],
    ["no tar", Buffer.from("x".repeat(1024))],
    ["half a header", fileHeader("f", 0).subarray(0, 100)],
    ["half a content", Buffer.concat([fileHeader("f", 600), Buffer.alloc(100)])],
    ["a wrong checksum", Buffer.from(fileHeader("f", 0)).fill(0x37, 149, 150)],
    ["data after its end", Buffer.concat([fileHeader("f", 0), Buffer.alloc(512), fileHeader("g", 0)])],
    ["an old sparse file", headerWith((block) => block.write("S", 156))],
    ["a negative size", headerWith((block) => block.fill(0xff, 124, 136))],
    [
      "a size out of range",
      headerWith((block) => block.fill(0x7f, 128, 136).fill(0x80, 124, 125).fill(0, 125, 128)),
    ],
    ["a size that is no number", headerWith((block) => block.write("9999999", 124))],
    ["a directory with content", fileHeader("dir/", 10)],
    ["a sparse file of pax", pax("22 GNU.sparse.major=1\n")],
    ["a malformed record", pax("99 path=x\n")],
    ["a record without end", pax("10 path=xy")],
    ["a size that is none", pax("11 size=-5\n")],
    ["a path for all entries", pax("10 path=x\n", "g")],
    ["an extended header that is too large", headerWith((block) => block.write("x", 156), "x", 100_000)],
  ])("is refused with %s", (_, bytes) => {
    expect(() => read(bytes)).toThrow(TarError);
  });

  test("is refused with too many entries", () => {
    const bytes = Buffer.concat([fileHeader("a", 0), fileHeader("b", 0), fileHeader("c", 0), END_OF_TAR]);
    expect(read(bytes, 512, 3)).toHaveLength(3);
    expect(() => read(bytes, 512, 2)).toThrow(TarError);
  });

  test("of any bytes ends in entries or a TarError", () => {
    const blocks = fc.array(
      fc.oneof(
        fc.constant(Buffer.from(fileHeader("f", 700))),
        fc.constant(Buffer.alloc(512)),
        fc.uint8Array({ minLength: 1, maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(blocks, (parts) => {
        try {
          read(Buffer.concat(parts), 300);
        } catch (error) {
          expect(error).toBeInstanceOf(TarError);
        }
      }),
    );
  });
});

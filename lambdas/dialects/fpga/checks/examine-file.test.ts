import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildAei } from "#test/support/fpga/build-aei.ts";
import { buildBit } from "#test/support/fpga/build-bit.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { buildXclbin } from "#test/support/fpga/build-xclbin.ts";
import { CHECK_BOUNDS } from "./bounds.ts";
import { FileExamination } from "./examine-file.ts";
import type { FileReport } from "./file-report.ts";

/** Reads `bytes` in pieces of the given sizes, over and over. */
function examine(bytes: Buffer, { key = "a.bin", metadata = "{}", pieces = [65_536] } = {}): FileReport {
  const examination = new FileExamination({ key, metadata });
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = pieces[n % pieces.length] ?? 1;
    examination.push(bytes.subarray(at, at + size));
    at += size;
  }
  return examination.finish();
}

/** `bytes` with some of them replaced. */
function patched(bytes: Buffer, at: number, by: Uint8Array | string): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(typeof by === "string" ? Buffer.from(by, "hex") : by, at);
  return copy;
}

const u32le = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64le = (value: bigint) => Buffer.from(BigUint64Array.of(value).buffer);
const RAW = buildRawStream();
const XCLBIN = buildXclbin();
const AEI = buildAei('{"shell":"1.0"}', RAW);

describe("files that are taken", () => {
  const taken: [string, Buffer, Partial<FileReport>][] = [
    ["big-endian stream", RAW, { format: "xilinx-bin-be", idcode: 0x03822093 }],
    [
      "little-endian stream",
      buildRawStream({ order: "little" }),
      { format: "xilinx-bin-le", idcode: 0x03822093 },
    ],
    ["stream without IDCODE", buildRawStream({ idcode: false }), { format: "xilinx-bin-be" }],
    ["stream without DESYNC", buildRawStream({ desync: false }), { format: "xilinx-bin-be" }],
    [
      "the last place of a sync word",
      buildRawStream({ size: 70_000, syncAt: 65_532 }),
      { format: "xilinx-bin-be" },
    ],
    ["a sync word behind that", buildRawStream({ size: 70_000, syncAt: 65_536 }), { format: "unknown" }],
    ["a sync word between words", buildRawStream({ syncAt: 66 }), { format: "unknown" }],
    ["stream that is no whole words", buildRawStream({ size: 4095 }), { format: "unknown" }],
    ["AEI", AEI, { format: "xilinx-bin-be", container: "aei", payload: { offset: 96, length: 4096 } }],
    ["AEI with an xclbin", buildAei("{}", XCLBIN), { format: "xclbin", container: "aei" }],
    [
      "AEI with something else",
      buildAei("{}", Buffer.alloc(100, 7)),
      { format: "unknown", container: "aei" },
    ],
    ["xclbin", XCLBIN, { format: "xclbin", payload: { offset: 0, length: XCLBIN.length } }],
    ["signed xclbin", buildXclbin({ signature: 512 }), { format: "xclbin" }],
    [
      "xclbin with a PDI",
      buildXclbin({ sections: [{ kind: 18, content: Buffer.alloc(9, 1) }] }),
      { format: "xclbin" },
    ],
    [
      "xclbin with a partial PDI",
      buildXclbin({ sections: [{ kind: 19, content: RAW }] }),
      { format: "xclbin" },
    ],
    ["something else", Buffer.alloc(64, 7), { format: "unknown" }],
    [
      "bytes of which only one differs",
      Buffer.concat([Buffer.alloc(99_999), Buffer.of(1)]),
      { format: "unknown" },
    ],
  ];
  it.each(taken)("%s", (_name, bytes, expected) => {
    const report = examine(bytes);
    expect(report.finding).toBeUndefined();
    expect(report).toMatchObject({ ...expected, sha256: createHash("sha256").update(bytes).digest("hex") });
  });

  it("many sections, more than are kept", () => {
    const sections = [
      ...Array.from({ length: 4999 }, () => ({ kind: 5, content: Buffer.alloc(0) })),
      { kind: 0, content: RAW },
    ];
    expect(examine(buildXclbin({ sections }), { pieces: [1000, 7] })).toMatchObject({
      format: "xclbin",
      xclbin: { sections: 5000 },
    });
  });

  it("an xclbin or an AEI under a name of either kind", () => {
    for (const key of ["a.xclbin", "xclbin", "a.bin"]) {
      expect(examine(XCLBIN, { key }).finding).toBeUndefined();
      expect(examine(AEI, { key }).finding).toBeUndefined();
    }
  });

  it("say what DESYNC and IDCODE were", () => {
    const of = (bytes: Buffer) => examine(bytes).checks.filter(({ check }) => check === 8 || check === 9);
    expect(of(RAW).map(({ outcome }) => outcome)).toEqual(["remark", "passed"]);
    expect(of(RAW)[0]?.values).toEqual({ idcode: "0x03822093" });
    expect(of(buildRawStream({ idcode: false, desync: false })).map(({ outcome }) => outcome)).toEqual([
      "remark",
      "remark",
    ]);
    expect(of(buildRawStream({ order: "little", size: 9000 }))[1]?.outcome).toBe("passed");
  });
});

describe("files that are refused", () => {
  const tar = Buffer.alloc(1024, 1);
  tar.write("ustar", 257);
  const padded = (text: string) => Buffer.from(text.padEnd(100));
  const withLengths = (m: number, p: number) => {
    const copy = Buffer.from(AEI);
    copy.writeInt32BE(m, 8);
    copy.writeInt32BE(p, 12);
    return copy;
  };
  const refused: [string, Buffer, string, RegExp?][] = [
    ["63 bytes", RAW.subarray(0, 63), "FORMAT_EMPTY"],
    ["nothing", Buffer.alloc(0), "FORMAT_EMPTY"],
    ["zeros", Buffer.alloc(70_000), "FORMAT_EMPTY", /00/],
    ["ones", Buffer.alloc(70_000, 0xff), "FORMAT_EMPTY", /FF/],
    ["ELF", patched(RAW, 0, "7f454c46"), "FORMAT_FOREIGN", /ELF/],
    ["gzip", Buffer.concat([gzipSync(RAW), RAW]), "FORMAT_FOREIGN", /gzip/],
    ["zip", patched(RAW, 0, "504b0304"), "FORMAT_FOREIGN", /zip/],
    ["tar", tar, "FORMAT_FOREIGN", /tar/],
    ["device tree", patched(RAW, 0, "d00dfeed"), "FORMAT_FOREIGN", /device tree/],
    ["PNG", patched(RAW, 0, "89504e470d0a1a0a"), "FORMAT_FOREIGN", /PNG/],
    ["PDF", patched(RAW, 0, Buffer.from("%PDF-1.7")), "FORMAT_FOREIGN", /PDF/],
    ["XML", padded('\ufeff<?xml version="1.0"?><Error/>'), "FORMAT_FOREIGN", /XML/],
    ["HTML", padded("\n<!DOCTYPE html><html>"), "FORMAT_FOREIGN", /HTML/],
    [
      "git-lfs",
      padded("version https://git-lfs.github.com/spec/v1\noid sha256:"),
      "FORMAT_FOREIGN",
      /git-lfs/,
    ],
    ["JSON object", padded('{ "a": 1}'), "FORMAT_FOREIGN", /JSON/],
    ["JSON list", padded("[1,2]"), "FORMAT_FOREIGN", /JSON/],
    [
      ".bit",
      buildBit("xcku040-ffva1156", RAW),
      "FORMAT_INVALID",
      /xcku040-ffva1156.*write_bitstream -bin_file/,
    ],
    [
      ".bit with cut fields",
      patched(RAW, 0, "00090ff00ff00ff00ff000000161ffff"),
      "FORMAT_INVALID",
      /\.bit file:/,
    ],
    ["AEI, length 0", withLengths(0, 4096), "FORMAT_INVALID"],
    ["AEI, negative length", withLengths(16, -1), "FORMAT_INVALID"],
    ["AEI, greatest lengths", withLengths(0x7fffffff, 0x7fffffff), "FORMAT_TRUNCATED"],
    ["AEI, one byte more by its header", withLengths(16, 4097), "FORMAT_TRUNCATED"],
    ["AEI, one byte less by its header", withLengths(16, 4095), "FORMAT_INVALID"],
    ["AEI, a byte of the payload", patched(AEI, 200, "00"), "DIGEST_MISMATCH"],
    ["AEI, a reserved byte", patched(AEI, 20, "01"), "DIGEST_MISMATCH"],
    [
      "AEI, a byte of the digest",
      patched(AEI, AEI.length - 1, Buffer.of(AEI.at(-1)! ^ 1)),
      "DIGEST_MISMATCH",
    ],
    ["AEI, no JSON", buildAei("{shell}", RAW), "FORMAT_INVALID", /not JSON/],
    ["AEI, too long metadata", buildAei(JSON.stringify("x".repeat(70_000)), RAW), "FORMAT_INVALID", /65536/],
    ["xclbin0", patched(XCLBIN, 0, Buffer.from("xclbin0\0")), "FORMAT_INVALID", /xclbin0/],
    ["xclbin1", patched(XCLBIN, 0, Buffer.from("xclbin1\0")), "FORMAT_INVALID", /xclbin1/],
    ["xclbin without NUL", patched(XCLBIN, 7, "41"), "FORMAT_INVALID"],
    ["xclbin, greatest length", patched(XCLBIN, 304, u64le(2n ** 64n - 1n)), "FORMAT_TRUNCATED"],
    ["xclbin, more than its length", Buffer.concat([XCLBIN, Buffer.of(1)]), "FORMAT_INVALID"],
    ["xclbin, emulation 4", patched(XCLBIN, 332, "0400"), "EMULATION_BUILD"],
    ["xclbin, emulation 5", patched(XCLBIN, 332, "0500"), "EMULATION_BUILD"],
    ["xclbin, emulation 6", patched(XCLBIN, 332, "0600"), "EMULATION_BUILD"],
    ["xclbin, name unprintable", patched(XCLBIN, 353, "07"), "FORMAT_INVALID", /name/],
    ["xclbin, name without end", patched(XCLBIN, 352, Buffer.alloc(64, "a")), "FORMAT_INVALID", /name/],
    ["xclbin, no UUID", patched(XCLBIN, 416, Buffer.alloc(16)), "FORMAT_INVALID", /UUID/],
    ["xclbin, no section", patched(XCLBIN, 448, u32le(0)), "FORMAT_INVALID"],
    ["xclbin, 65537 sections", patched(XCLBIN, 448, u32le(65_537)), "FORMAT_INVALID"],
    ["xclbin, table past the end", patched(XCLBIN, 448, u32le(65_536)), "FORMAT_INVALID", /table/],
    ["xclbin, section over the table", patched(XCLBIN, 480, u64le(495n)), "FORMAT_INVALID", /overlaps/],
    ["xclbin, section past the end", patched(XCLBIN, 480, u64le(497n)), "FORMAT_INVALID", /past/],
    ["xclbin, overflow", patched(XCLBIN, 480, u64le(2n ** 64n - 256n)), "FORMAT_INVALID", /past/],
    ["xclbin, greatest size", patched(XCLBIN, 488, u64le(2n ** 64n - 1n)), "FORMAT_INVALID", /past/],
    ["xclbin, empty bitstream", patched(XCLBIN, 488, u64le(0n)), "FORMAT_INVALID", /BITSTREAM/],
    ["xclbin, other section", patched(XCLBIN, 456, u32le(6)), "FORMAT_INVALID", /BITSTREAM/],
  ];
  it.each(refused)("%s", (_name, bytes, code, text = /./) => {
    const report = examine(bytes);
    expect(report.finding).toMatchObject({ code, text: expect.stringMatching(text) });
    expect(report.checks.filter(({ outcome }) => outcome === "failed")).toEqual([
      expect.objectContaining({ code }),
    ]);
  });

  it("for want of use, which is a check of its own", () => {
    const { checks } = examine(patched(XCLBIN, 456, u32le(6)));
    expect(checks.slice(9, 11).map(({ outcome }) => outcome)).toEqual(["passed", "failed"]);
  });

  it.each([RAW, Buffer.alloc(64, 7), buildRawStream({ order: "little" })])(
    "under a name of xclbin",
    (bytes) => {
      expect(examine(bytes, { key: "a.xclbin" }).finding).toMatchObject({ code: "FORMAT_INVALID" });
    },
  );

  it("above the bound, without reading on", () => {
    const examination = new FileExamination({ key: "a.bin", metadata: "{}" }, { maxFile: 4096 });
    expect(examination.push(RAW)).toBe(true);
    expect(examination.push(Buffer.of(1))).toBe(false);
    expect(examination.finish()).toMatchObject({ size: 4097, finding: { code: "OBJECT_TOO_LARGE" } });
    expect(CHECK_BOUNDS.maxFile).toBe(512 * 1024 * 1024);
  });
});

describe("metadata of an AEI and of its registration", () => {
  const cases: [string, string, string | undefined][] = [
    ['{"a":1}', '{"b":2}', undefined],
    ['{"a":1.0,"b":"x"}', '{"b":"\\u0078","a":1}', undefined],
    ['{"a":{"x":1,"y":[true,null]}}', '{"a":{"y":[true,null],"x":1e0}}', undefined],
    ['{"a":9007199254740993}', '{"a":9007199254740992}', "METADATA_MISMATCH"],
    ['{"a":-0}', '{"a":0}', undefined],
    ['{"a":"1"}', '{"a":1}', "METADATA_MISMATCH"],
    ['{"a":[1]}', '{"a":[1,2]}', "METADATA_MISMATCH"],
    ['{"a":{"b":1}}', '{"a":{"c":1}}', "METADATA_MISMATCH"],
    ['{"__proto__":1}', '{"__proto__":2}', "METADATA_MISMATCH"],
    ['{"a":1e999999999999}', '{"a":1e999999999998}', "METADATA_MISMATCH"],
    ["[1]", '{"a":1}', undefined],
  ];
  it.each(cases)("%s with %s", (inFile, metadata, code) => {
    expect(examine(buildAei(inFile, RAW), { metadata }).finding?.code).toBe(code);
  });
});

describe("whatever the bytes are", () => {
  const samples: [string, Buffer, number][] = [
    ["AEI", AEI, 100],
    ["raw stream", RAW, 120],
    ["xclbin", XCLBIN, 500],
    [".bit", buildBit("xc7z020", RAW), 130],
  ];

  it.each(samples)("a truncated %s is refused or of an unknown format", (name, bytes, header) => {
    const lengths = [...Array(header).keys(), ...[1, 2, 3, 31, 32, 33].map((less) => bytes.length - less)];
    for (const length of lengths) {
      const report = examine(bytes.subarray(0, length), { pieces: [61] });
      if (length < 64) expect(report.finding?.code).toBe("FORMAT_EMPTY");
      else if (name === "raw stream") expect(report.finding?.code).toBeOneOf([undefined, "FORMAT_EMPTY"]);
      else expect(report.finding?.code).toBe(name === ".bit" ? "FORMAT_INVALID" : "FORMAT_TRUNCATED");
    }
  });

  const content = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(
        fc.constantFrom(...samples.map(([, bytes]) => bytes)),
        fc.array(fc.tuple(fc.nat(600), fc.uint8Array({ minLength: 1, maxLength: 8 })), { maxLength: 4 }),
        fc.nat(4500),
      )
      .map(([bytes, patches, length]) =>
        patches
          .reduce((all, [at, by]) => patched(all, Math.min(at, all.length - 8), by), bytes)
          .subarray(0, length),
      ),
  );

  it("no number in it decides how much memory is taken, up to 2^64 - 1", () => {
    const edges = [
      0n,
      1n,
      455n,
      2n ** 31n - 1n,
      2n ** 31n,
      2n ** 32n - 1n,
      2n ** 53n,
      2n ** 63n,
      2n ** 64n - 1n,
    ];
    const number = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
    // total, and of the first section offset and size; then how many sections
    const long = [304, 456 + 24, 456 + 32];
    const most = 16 * 1024 * 1024;
    const taken = (bytes: Buffer) => {
      const before = process.memoryUsage().arrayBuffers;
      examine(bytes, { pieces: [400, 64] });
      return process.memoryUsage().arrayBuffers - before;
    };
    fc.assert(
      fc.property(fc.array(number, { minLength: 4, maxLength: 4 }), (numbers) => {
        const [sections = 0n] = numbers;
        const withLong = long.reduce((bytes, at, n) => patched(bytes, at, u64le(numbers[n + 1]!)), XCLBIN);
        const xclbin = patched(withLong, 448, u32le(Number(BigInt.asUintN(32, sections))));
        const aei = Buffer.from(AEI);
        aei.writeInt32BE(Number(BigInt.asIntN(32, numbers[1]!)), 8);
        aei.writeInt32BE(Number(BigInt.asIntN(32, numbers[2]!)), 12);
        for (const bytes of [xclbin, aei]) expect(taken(bytes)).toBeLessThan(most);
      }),
      { numRuns: 100 },
    );
  });

  it("there is a report, and the same one however the bytes arrive", () => {
    fc.assert(
      fc.property(
        content,
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom("a.bin", "a.xclbin"),
        (bytes, pieces, key) => {
          const report = examine(bytes, { key });
          expect(examine(bytes, { key, pieces })).toEqual(report);
          expect(report.size).toBe(bytes.length);
          expect(JSON.stringify(report)).toMatch(/^[\x20-\x7e]*$/);
          expect(JSON.stringify(report).length).toBeLessThan(5000);
        },
      ),
      { numRuns: 150 },
    );
  });
});

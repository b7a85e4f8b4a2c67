import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { volumePath } from "#protocol/operations.ts";
import { declaredFile } from "#test/support/declared-file.ts";
import { partsOf } from "./part-files.ts";
import { readDelta, readOpenRequest } from "./request.ts";

const file = declaredFile("f", "content");
const read = (body: unknown) => readOpenRequest(body);
const code = (body: unknown) => {
  try {
    read(body);
  } catch (error) {
    if (error instanceof PerigeeError) return error.code;
    throw error;
  }
  return undefined;
};

describe("the body of POST /uplinks", () => {
  test("is a plan: volume, part size, and files under dest_path with lower-case checksums", () => {
    const body = {
      pod_name: "pod-a",
      pvc_name: "vol-a",
      dest_path: "./in/",
      files: [{ ...file, checksum: file.checksum.toUpperCase(), crc32: [file.crc32[0]!.toUpperCase()] }],
      further: "ignored",
    };
    expect(read(body)).toEqual({
      volume: "vol-a",
      partSize: LIMITS.partBytes,
      files: [{ n: 0, path: "in/f", size: 7, xxh64: file.checksum, crc32: file.crc32 }],
    });
  });

  test("a delta that names no old file is of an earlier client, which sends all for this answer", () => {
    const [sha256, base] = ["0".repeat(64), "F".repeat(64)];
    const body = { files: [file], delta: { size: 7, checksum: file.checksum, sha256, base } };
    expect(readDelta(body, read(body))).toMatchObject({ path: "f", bytes: 7, base: base.toLowerCase() });
    const earlier = { ...body, delta: { ...body.delta, base: undefined } };
    expect(() => readDelta(earlier, read(earlier))).toThrow(
      expect.objectContaining({ code: "DELTA_BASE_CHANGED" }),
    );
  });

  test("null and empty texts are not given", () => {
    const plan = read({ pod_name: "", pvc_name: null, dest_path: "", files: [file] });
    expect(plan).toMatchObject({ volume: "default", files: [{ path: "f" }] });
  });

  test("a volume may be named in the query; two are refused, and so is a name that is nearly one", () => {
    const query = new Map([["pod_name", ["pod-a"]]]);
    expect(readOpenRequest({ files: [file] }, query)).toMatchObject({ volume: "pod-a" });
    expect(readOpenRequest({ pod_name: "pod-a", files: [file] }, query)).toMatchObject({ volume: "pod-a" });
    for (const body of [{ pod_name: "pod-b" }, { podName: "pod-a" }, { "pod_name[]": "pod-a" }]) {
      expect(() => readOpenRequest({ ...body, files: [file] }, query)).toThrow(
        expect.objectContaining({ code: "INVALID_PARAMETERS" }),
      );
    }
  });

  test("of several files for one path the last counts, under its own number", () => {
    const plan = read({ files: [file, declaredFile("g", "x"), declaredFile("./f", "other")] });
    expect(plan.files).toMatchObject([
      { n: 2, path: "f", size: 5 },
      { n: 1, path: "g" },
    ]);
  });

  test("parts are counted by the part size that is asked for", () => {
    const size = LIMITS.partBytesLeast + 1;
    const big = { ...file, size, crc32: ["00000000", "11111111"] };
    expect(code({ files: [big] })).toBe("INVALID_PARAMETERS");
    const plan = read({ part_size: LIMITS.partBytesLeast, files: [big] });
    expect(partsOf(plan, plan.files[0]!)).toMatchObject([
      { number: 1, size: LIMITS.partBytesLeast, crc32: "00000000" },
      { number: 2, size: 1, crc32: "11111111" },
    ]);
  });

  test("2 GiB and 10,000 files are allowed to the last, and not one more", () => {
    const count = LIMITS.uplinkBytes / LIMITS.partBytes;
    const whole = { ...file, size: LIMITS.uplinkBytes, crc32: Array(count).fill("00000000") };
    expect(code({ files: [whole] })).toBeUndefined();
    expect(code({ files: [whole, { ...file, path: "g" }] })).toBe("MAX_UPLINK_SIZE_EXCEEDED");
    const many = Array.from({ length: LIMITS.uplinkFiles }, (_, i) => declaredFile(`${i}`, ""));
    expect(code({ files: many })).toBeUndefined();
    expect(code({ files: [...many, file] })).toBe("TOO_MANY_FILES");
  });

  test("whatever it is, it is a plan that the edge takes, or refused as the user's mistake", () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("..", "/", "a/../b", "a//b", "a\0"));
    const odd = fc.oneof(fc.anything(), text, fc.integer(), fc.constant(Number.NaN));
    const oddFile = fc.record(
      {
        path: fc.oneof(text, odd),
        size: fc.oneof(fc.constantFrom(0, 7), odd),
        checksum: fc.oneof(fc.constantFrom(file.checksum, "ef46db3751d8e999"), odd),
        crc32: fc.oneof(fc.constantFrom([], file.crc32), odd),
      },
      { requiredKeys: [] },
    );
    const body = fc.record(
      {
        pod_name: fc.oneof(text, odd),
        pvc_name: odd,
        dest_path: fc.oneof(text, odd),
        part_size: fc.oneof(fc.constant(LIMITS.partBytes), odd),
        files: fc.oneof(fc.array(oddFile, { maxLength: 4 }), odd),
      },
      { requiredKeys: [] },
    );
    const good = fc.record({
      files: fc.array(
        text.map((path) => declaredFile(path, "x")),
        { minLength: 1 },
      ),
    });
    let plans = 0;
    fc.assert(
      fc.property(fc.oneof(fc.anything(), body, good), (given) => {
        try {
          const { volume, files } = read(given);
          plans++;
          expect(volume).toMatch(/^[a-z]([a-z0-9-]*[a-z0-9])?$/);
          expect(new Set(files.map(({ path }) => path)).size).toBe(files.length);
          for (const { path } of files) expect(volumePath.safeParse(path)).toMatchObject({ success: true });
        } catch (error) {
          if (!(error instanceof PerigeeError)) throw error;
          expect([400, 403]).toContain(error.status);
        }
      }),
      { numRuns: 500 },
    );
    expect(plans).toBeGreaterThan(0);
  });
});

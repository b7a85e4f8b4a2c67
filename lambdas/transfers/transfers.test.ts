import { expect, test } from "vitest";
import { GiB, KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { MOST_PARTS } from "../ports/part-uploads.ts";
import { partBytesOf } from "./transfers.ts";

test.each([
  ["as wanted", 40 * MiB, 64 * KiB, 64 * KiB],
  ["as wanted, to the last", LIMITS.transferChunks * 64 * KiB, 64 * KiB, 64 * KiB],
  ["larger, where they would be too many", LIMITS.transferChunks * 64 * KiB + 1, 64 * KiB, MiB],
  ["parts of a multipart upload, where chunks would be that large", 400 * GiB, 64 * KiB, 41 * MiB],
  ["as wanted", 20 * GiB, 8 * MiB, 8 * MiB],
  ["larger, where S3 would take no more", 100 * GiB, 8 * MiB, 11 * MiB],
])("parts are %s: of %d bytes at %d", (_why, size, wanted, bytes) => {
  expect(partBytesOf(size, wanted)).toBe(bytes);
  const most = bytes < LIMITS.partBytesLeast ? LIMITS.transferChunks : MOST_PARTS;
  expect(Math.ceil(size / bytes)).toBeLessThanOrEqual(most);
});

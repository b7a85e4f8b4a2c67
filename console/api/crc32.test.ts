import { crc32 as zlibCrc32 } from "node:zlib";
import { expect, test } from "vitest";
import { crc32 } from "./crc32.ts";

test.each(["", "a", "123456789", "x".repeat(100_000)])("%# is as zlib has it", (text) => {
  const bytes = new TextEncoder().encode(text);
  expect(crc32(bytes)).toBe(zlibCrc32(bytes).toString(16).padStart(8, "0"));
});

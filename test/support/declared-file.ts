import { crc32 } from "node:zlib";
import { xxh64 } from "@node-rs/xxhash";
import { LIMITS } from "#protocol/limits.ts";

export type DeclaredFile = { path: string; size: number; checksum: string; crc32: string[] };

/** A file as POST /uplinks wants it, cut into parts of `partSize` bytes. */
export function declaredFile(
  path: string,
  content: string | Uint8Array,
  partSize: number = LIMITS.partBytesLeast,
): DeclaredFile {
  const bytes = Buffer.from(content as string);
  const parts = Array.from({ length: Math.ceil(bytes.length / partSize) }, (_, i) =>
    bytes.subarray(i * partSize, (i + 1) * partSize),
  );
  return {
    path,
    size: bytes.length,
    checksum: hex(xxh64(bytes), 16),
    crc32: parts.map((part) => hex(crc32(part), 8)),
  };
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { MiB } from "#protocol/limits.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { buildXclbin } from "#test/support/fpga/build-xclbin.ts";

const DIGEST = 32;

/** A synthetic configuration stream of so many bytes. */
export function writeRawStream(path: string, bytes: number): void {
  write(path, [buildRawStream({ size: MiB })], bytes);
}

/** An AEI container of so many bytes around a synthetic stream. */
export function writeAei(path: string, bytes: number): void {
  const metadata = Buffer.from("{}  ");
  const header = Buffer.alloc(80);
  header.write("AEIv1.0\0", "latin1");
  header.writeInt32BE(metadata.length, 8);
  header.writeInt32BE(bytes - header.length - metadata.length - DIGEST, 12);
  const hash = createHash("sha256");
  const parts = [header, metadata, buildRawStream({ size: MiB })];
  write(path, parts, bytes - DIGEST, (chunk) => hash.update(chunk));
  const fd = openSync(path, "a");
  writeSync(fd, hash.digest());
  closeSync(fd);
}

/** An xclbin of so many bytes with one section. */
export function writeXclbin(path: string, bytes: number): void {
  const small = buildXclbin({ sections: [{ kind: 0, content: Buffer.alloc(4, 1) }] });
  small.writeBigUInt64LE(BigInt(bytes), 304);
  small.writeBigUInt64LE(BigInt(bytes - small.length + 4), 456 + 32);
  write(path, [small], bytes);
}

/** `parts`, and then words of no meaning up to so many bytes. */
function write(path: string, parts: Buffer[], bytes: number, each?: (chunk: Buffer) => void): void {
  const filler = Buffer.alloc(MiB, "\x20\0\0\0");
  const fd = openSync(path, "w");
  let left = bytes;
  for (let n = 0; left > 0; n++) {
    const chunk = (parts[n] ?? filler).subarray(0, left);
    each?.(chunk);
    writeSync(fd, chunk);
    left -= chunk.length;
  }
  closeSync(fd);
}

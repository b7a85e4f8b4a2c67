import { createHash } from "node:crypto";

/** An AEI container: `metadata` as JSON text, padded with spaces to a multiple of 4. */
export function buildAei(metadata: string, payload: Buffer): Buffer {
  const text = Buffer.from(metadata);
  const padded = Buffer.concat([text, Buffer.alloc((4 - (text.length % 4)) % 4, " ")]);
  const header = Buffer.alloc(80);
  header.write("AEIv1.0\0", "latin1");
  header.writeInt32BE(padded.length, 8);
  header.writeInt32BE(payload.length, 12);
  const digested = Buffer.concat([header, padded, payload]);
  return Buffer.concat([digested, createHash("sha256").update(digested).digest()]);
}

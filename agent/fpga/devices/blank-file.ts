import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { LoadFile } from "../programmer/fpga-programmer.ts";

/** The operator's file for a device that no run holds, as it is now. @throws Error when it cannot be read */
export async function blankFile(path: string): Promise<LoadFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, sha256: hash.digest("hex"), payloadAt: 0, payloadBytes: bytes };
}

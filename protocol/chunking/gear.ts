import { createHash } from "node:crypto";

/** A random number for each byte, the same everywhere: both sides have to cut alike. */
export const GEAR: Uint32Array = gear();

function gear(): Uint32Array {
  const numbers = new Uint32Array(256);
  for (let i = 0; i < 256; i++) numbers[i] = createHash("sha256").update(`gear ${i}`).digest().readUInt32LE(0);
  return numbers;
}

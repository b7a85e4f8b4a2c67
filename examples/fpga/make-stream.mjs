/**
 * node make-stream.mjs FILE: writes a synthetic configuration stream. Its packets are where a real one has them, so that
 * the ground's checks accept it, but it is no design: no device can be programmed with it.
 */
import { writeFileSync } from "node:fs";

const [file = "counter.bin"] = process.argv.slice(2);
const WORDS = 16_384;
const NOP = 0x20000000;
const bytes = Buffer.alloc(4 * WORDS, 0xff);
const words = [0xaa995566, NOP, 0x30018001, 0x03822093];
while (words.length < WORDS - 20) words.push(NOP);
words.push(0x30008001, 0x0000000d);
for (const [i, word] of words.entries()) bytes.writeUInt32BE(word, 64 + 4 * i);
writeFileSync(file, bytes);
console.log(`${file}: a synthetic stream of ${bytes.length} bytes. It is no design.`);

/**
 * XXH64 (seed 0) written down from its specification, slow and plain: what the fast one is compared with.
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export function xxh64Of(data: Buffer): bigint {
  let at = 0;
  let hash: bigint;
  if (data.length >= 32) {
    const lanes = [u64(P1 + P2), P2, 0n, u64(-P1)];
    for (; at + 32 <= data.length; at += 32) {
      for (const i of [0, 1, 2, 3]) lanes[i] = round(lanes[i]!, data.readBigUInt64LE(at + 8 * i));
    }
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint];
    hash = u64(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n));
    for (const lane of lanes) hash = u64((hash ^ round(0n, lane)) * P1 + P4);
  } else hash = P5;
  hash = u64(hash + BigInt(data.length));
  for (; at + 8 <= data.length; at += 8) {
    hash = u64(rotate(hash ^ round(0n, data.readBigUInt64LE(at)), 27n) * P1 + P4);
  }
  for (; at + 4 <= data.length; at += 4) {
    hash = u64(rotate(hash ^ u64(BigInt(data.readUInt32LE(at)) * P1), 23n) * P2 + P3);
  }
  for (; at < data.length; at++) hash = u64(rotate(hash ^ u64(BigInt(data[at]!) * P5), 11n) * P1);
  hash = u64((hash ^ (hash >> 33n)) * P2);
  hash = u64((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

const u64 = (value: bigint) => BigInt.asUintN(64, value);
const rotate = (value: bigint, by: bigint) => u64(value << by) | (value >> (64n - by));
const round = (lane: bigint, input: bigint) => u64(rotate(u64(lane + input * P2), 31n) * P1);

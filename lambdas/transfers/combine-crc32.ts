/** CRC-32 (IEEE), reflected. */
const POLYNOMIAL = 0xedb88320;

type Matrix = number[];

/**
 * The CRC32 of what is `first` followed by `second`, of which `secondBytes` is the length: appending zero bytes is
 * linear over GF(2), so it is done by squaring the operator of one zero bit.
 */
export function combineCrc32(first: number, second: number, secondBytes: number): number {
  if (secondBytes <= 0) return first >>> 0;
  // one zero bit, then two, then four: the loop begins with eight
  let operator = square(square(square(oneZeroBit())));
  let crc = first;
  for (let left = secondBytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) crc = times(operator, crc);
    operator = square(operator);
  }
  return (crc ^ second) >>> 0;
}

/** The CRC32 (8 hex digits) of parts one after the other. */
export function crc32OfParts(parts: readonly { size: number; crc32: string }[]): string {
  const whole = parts.reduce(
    (crc, { size, crc32 }) => combineCrc32(crc, Number.parseInt(crc32, 16), size),
    0,
  );
  return whole.toString(16).padStart(8, "0");
}

function oneZeroBit(): Matrix {
  return Array.from({ length: 32 }, (_, i) => (i === 0 ? POLYNOMIAL : 1 << (i - 1)));
}

function times(matrix: Matrix, vector: number): number {
  let sum = 0;
  for (let i = 0, left = vector >>> 0; left !== 0; i++, left >>>= 1) if (left & 1) sum ^= matrix[i]!;
  return sum;
}

function square(matrix: Matrix): Matrix {
  return matrix.map((column) => times(matrix, column));
}

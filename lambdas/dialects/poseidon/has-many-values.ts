/** What is before or between the values of a JSON text: `,`, `[` and `{`. */
const MARKS = [0x2c, 0x5b, 0x7b];

/**
 * May a JSON text have over `most` values? Each takes a hundred bytes once it is parsed, though it may be two long. Marks
 * within strings count too.
 */
export function hasManyValues(bytes: Uint8Array, most: number): boolean {
  let found = 0;
  for (const mark of MARKS) {
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1))
      if (++found > most) return true;
  }
  return false;
}

/** Text of a file as a message may show it: up to its first NUL, at most `length` bytes, anything unprintable as `?`. */
export function printable(bytes: Buffer, length: number): string {
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, Math.min(end === -1 ? bytes.length : end, length)).toString("latin1");
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** Ends a line of a log that is longer than such a line may be. */
export const CUT = " … (line cut)";

/**
 * Text of at most `limit` bytes: of a longer one the beginning, without half a UTF-8 character, and `mark`, which ends
 * it within the limit.
 */
export function cutBytes(text: Buffer, limit: number, mark = ""): Buffer {
  if (text.length <= limit) return text;
  const end = Buffer.from(mark);
  return Buffer.concat([text.subarray(0, wholeCharacters(text, limit - end.length)), end]);
}

/** Where at most `limit` bytes end without half a UTF-8 character. */
function wholeCharacters(text: Buffer, limit: number): number {
  // A continuation byte (10xxxxxx) at the cut: go back to its head, at most 3 bytes.
  for (let end = limit; end > limit - 4 && end > 0; end--) {
    if (((text[end] ?? 0) & 0xc0) !== 0x80) return end;
  }
  return limit;
}

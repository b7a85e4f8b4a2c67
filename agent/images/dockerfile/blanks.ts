/** Go's unicode.IsSpace, which is what the engine trims and splits at. JavaScript's `\s` differs from it. */
const SPACE = "[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const LEADING = new RegExp(`^${SPACE}+`, "u");
const HAS_SPACE = new RegExp(SPACE, "u");
const IS_SPACE = new RegExp(`^${SPACE}$`, "u");

/** What separates an instruction from its arguments: ASCII only. */
export const ASCII_BLANKS = /[\t\v\f\r ]+/;

export function isBlank(char: string): boolean {
  return IS_SPACE.test(char);
}

export function hasBlank(text: string): boolean {
  return HAS_SPACE.test(text);
}

export function trim(text: string): string {
  const start = trimStart(text);
  let end = start.length;
  while (end > 0 && IS_SPACE.test(start[end - 1]!)) end--;
  return start.slice(0, end);
}

export function trimStart(text: string): string {
  return text.replace(LEADING, "");
}

/** Splits at the first run of ASCII blanks. */
export function splitOnce(text: string): [string] | [string, string] {
  const found = ASCII_BLANKS.exec(text);
  return found ? [text.slice(0, found.index), text.slice(found.index + found[0].length)] : [text];
}

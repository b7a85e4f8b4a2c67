import { usage } from "../failure.ts";

/** Two lines of orbital elements (TLE), as they stand in a file. */
export type Elements = { name?: string; line1: string; line2: string };

const LENGTH = 69;

/**
 * The elements of the one satellite of a file: two lines, or three with its name.
 * @param file its name, for messages
 * @throws CliFailure USAGE that names the line and the rule
 */
export function readElements(text: string, file: string): Elements {
  const lines = text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .map((line, i) => ({ text: line.trimEnd(), at: `${file}, line ${i + 1}` }))
    .filter(({ text }) => text !== "");
  const first = lines.findIndex(({ text }) => text.startsWith("1 "));
  const [one, two] = first < 0 ? [] : [lines[first], lines[first + 1]];
  if (!one || !two?.text.startsWith("2 ") || first > 1)
    throw usage(`${file}: must hold a line of elements that begins with "1 ", and after it one with "2 "`);
  if (lines.length > first + 2) throw usage(`${lines[first + 2]!.at}: must hold one satellite only`);
  for (const { text, at } of [one, two]) {
    if (text.length !== LENGTH) throw usage(`${at}: has ${text.length} characters, must have ${LENGTH}`);
    const sum = checksum(text);
    if (text.at(-1) !== String(sum)) throw usage(`${at}: its checksum is ${text.at(-1)}, must be ${sum}`);
  }
  if (one.text.slice(2, 7) !== two.text.slice(2, 7))
    throw usage(`${two.at}: names another satellite than the line before`);
  const name = first === 1 ? lines[0]!.text.replace(/^0 /, "").trim() : undefined;
  return { ...(name && { name }), line1: one.text, line2: two.text };
}

/** Digits are added up, a minus counts 1; the last digit of the sum is the line's last character. */
function checksum(line: string): number {
  let sum = 0;
  for (const character of line.slice(0, LENGTH - 1)) sum += character === "-" ? 1 : Number(character) || 0;
  return sum % 10;
}

import { isUtf8 } from "node:buffer";

/** What may not stand in a zip as it is: separators and drives of other systems, and bytes that look escaped. */
const SPECIAL = /[\\:]|%(?=[0-9A-F]{2})/gi;

/**
 * A path (one character per byte, as a walk gives it) as a name in a zip, which is UTF-8 text with `/` between its
 * parts. Where bytes are no text, or a `\` or `:` would mean something elsewhere, stands `%XX` as in a URL, and for a
 * `%` that could be taken for one of those `%25`: two paths never get the same name, and what needs no escape stays.
 */
export function zipName(raw: string): string {
  return raw.split("/").map(partName).join("/");
}

function partName(raw: string): string {
  const bytes = Buffer.from(raw, "latin1");
  let name = "";
  for (let i = 0, text = 0; i <= bytes.length; ) {
    const length = lengthOfCharacter(bytes, i);
    if (length > 0) {
      i += length;
      continue;
    }
    // What is text up to here is escaped as a whole, so that no escape is escaped again.
    name += bytes.toString("utf8", text, i).replace(SPECIAL, escaped);
    if (i < bytes.length) name += percent(bytes[i]!);
    text = ++i;
  }
  return name;
}

/** Bytes of the character that begins at `at`; 0 where none does. */
function lengthOfCharacter(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}

function escaped(character: string): string {
  return percent(character.charCodeAt(0));
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

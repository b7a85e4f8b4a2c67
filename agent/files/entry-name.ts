import { isUtf8 } from "node:buffer";

/**
 * A name as a system call takes it. Names on Linux are bytes, not text: one that is not valid UTF-8 is a Buffer.
 */
export type EntryName = string | Buffer;

const BEYOND_ASCII = /[\x80-\xff]/;

/** The name for system calls, from a raw name (one character per byte, as `Directory.rawEntries` gives it). */
export function entryName(raw: string): EntryName {
  return BEYOND_ASCII.test(raw) ? Buffer.from(raw, "latin1") : raw;
}

/** The name as text, from a raw name. `exact` is false when it is not UTF-8 and was escaped by {@link escapeName}. */
export function decodeName(raw: string): { text: string; exact: boolean } {
  if (!BEYOND_ASCII.test(raw)) return { text: raw, exact: true };
  const bytes = Buffer.from(raw, "latin1");
  const exact = isUtf8(bytes);
  return { text: exact ? bytes.toString("utf8") : escapeName(bytes), exact };
}

/**
 * Bytes as text without loss, only for comparing: a byte that is not UTF-8 becomes a lone surrogate, which no valid
 * text contains.
 */
export function distinctText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  return rewritten(
    bytes,
    (byte) => String.fromCharCode(0xdc00 + byte),
    (text) => text,
  );
}

/**
 * A readable form of a name that is not UTF-8: a byte that is not text as `\\xE9`, a backslash as two. Two such names
 * never look the same, but a name that is UTF-8 may look like one of them.
 */
export function escapeName(bytes: Buffer): string {
  return rewritten(
    bytes,
    (byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    (text) => (text === "\\" ? "\\\\" : text),
  );
}

function rewritten(bytes: Buffer, foreign: (byte: number) => string, own: (text: string) => string): string {
  let out = "";
  for (let i = 0; i < bytes.length; ) {
    const length = lengthAt(bytes[i]!);
    const character = bytes.subarray(i, i + length);
    if (length > 0 && character.length === length && isUtf8(character)) {
      out += own(character.toString());
      i += length;
    } else out += foreign(bytes[i++]!);
  }
  return out;
}

/** Length of the character that starts with this byte; 0 when no character does. */
function lengthAt(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

import { isUtf8 } from "node:buffer";

/**
 * What a system call takes as a name. Names on Linux are bytes, not text: one that is not valid UTF-8 goes
 * as a Buffer.
 */
export type EntryName = string | Buffer;

const BEYOND_ASCII = /[\x80-\xff]/;

/** The name for system calls, from a raw name (one character per byte, as `Directory.rawEntries` gives it). */
export function entryName(raw: string): EntryName {
  return BEYOND_ASCII.test(raw) ? Buffer.from(raw, "latin1") : raw;
}

/** The name as text, from a raw name; `exact` is false when its bytes are not UTF-8 and the text is lossy. */
export function decodeName(raw: string): { text: string; exact: boolean } {
  if (!BEYOND_ASCII.test(raw)) return { text: raw, exact: true };
  const bytes = Buffer.from(raw, "latin1");
  return { text: bytes.toString("utf8"), exact: isUtf8(bytes) };
}

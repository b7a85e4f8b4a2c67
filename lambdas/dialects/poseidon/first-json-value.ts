import { isAscii } from "node:buffer";
import { refusal } from "./refusals.ts";

/**
 * The first JSON value of a body: what follows it is ignored, as clients of this API expect. Bytes that are not UTF-8
 * become U+FFFD.
 * @throws 400: `EOF` for an empty body
 */
export function firstJsonValue(bytes: Uint8Array): unknown {
  // a large body is base64, which is read much faster as what it is
  const text = isAscii(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
    : new TextDecoder().decode(bytes);
  try {
    return JSON.parse(text);
  } catch {
    // most bodies are one value, so the scan below is rarely needed
  }
  const start = /[^ \t\r\n]/.exec(text)?.index;
  if (start === undefined) throw refusal(400, "EOF");
  const end = endOfValue(text, start);
  if (end === undefined) throw refusal(400, "unexpected EOF");
  try {
    return JSON.parse(text.slice(start, end));
  } catch {
    throw refusal(400, "the body is not JSON");
  }
}

const MARK = /["[\]{}]/g;
const END_OF_WORD = /[ \t\r\n,:"[\]{}]/g;

/** The index after the value that begins at `start`; undefined when it has no end. */
function endOfValue(text: string, start: number): number | undefined {
  if (text[start] === '"') return endOfString(text, start);
  if (text[start] !== "{" && text[start] !== "[") {
    END_OF_WORD.lastIndex = start + 1;
    return END_OF_WORD.exec(text)?.index ?? text.length;
  }
  let depth = 0;
  let at: number | undefined = start;
  while (at !== undefined) {
    MARK.lastIndex = at;
    const mark = MARK.exec(text);
    if (!mark) return undefined;
    if (mark[0] === '"') {
      at = endOfString(text, mark.index);
      continue;
    }
    at = mark.index + 1;
    depth += mark[0] === "{" || mark[0] === "[" ? 1 : -1;
    if (depth === 0) return at;
  }
  return undefined;
}

/** The index after the string that begins at `start`. */
function endOfString(text: string, start: number): number | undefined {
  let quote = text.indexOf('"', start + 1);
  while (quote !== -1) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
  return undefined;
}

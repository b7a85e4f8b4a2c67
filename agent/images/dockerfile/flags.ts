import type { EscapeChar } from "./directives.ts";
import { DockerfileError, shown } from "./error.ts";

/** `flags` as they stand (`--name=value`), quotes and escapes gone; `rest` is what follows. */
export type Flagged = { flags: string[]; rest: string };

/**
 * Takes the flags off an instruction's arguments. The engine goes byte by byte here: a byte 0x85 or 0xa0
 * within a character is a blank to it, and what is not ASCII comes out as Latin-1.
 */
export function takeFlags(args: string, escapeChar: EscapeChar): Flagged {
  const bytes = Buffer.from(args).toString("latin1");
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < bytes.length && isByteBlank(bytes[at]!)) at++;
    if (!bytes.startsWith("--", at)) return { flags, rest: utf8(bytes.slice(at)) };
    const word = readWord(bytes, at, escapeChar);
    at = word.end;
    // a bare -- ends the flags
    if (word.text === "--") return { flags, rest: utf8(bytes.slice(at)) };
    flags.push(word.text);
  }
}

/** unicode.IsSpace of a byte that is taken for a character */
export function isByteBlank(byte: string): boolean {
  return /[\t\n\v\f\r \x85\xa0]/.test(byte);
}

export function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}

function readWord(bytes: string, start: number, escapeChar: EscapeChar): { text: string; end: number } {
  let text = "";
  let quote = "";
  let at = start;
  for (; at < bytes.length; at++) {
    const char = bytes[at]!;
    if (quote === "" && isByteBlank(char)) break;
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (quote !== "" && char === quote) quote = "";
    else if (char !== escapeChar) text += char;
    // an escape at the very end is dropped
    else if (at + 1 < bytes.length) text += bytes[++at]!;
  }
  return { text, end: at };
}

/**
 * Flags by name. @throws DockerfileError for one that is not in `known`, is given twice or has no value
 */
export function readFlags(flags: readonly string[], known: readonly string[]): Map<string, string> {
  const read = new Map<string, string>();
  for (const flag of flags) {
    const text = flag.slice(2);
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    if (BUILDKIT_ONLY.includes(name) && !known.includes(name)) {
      throw new DockerfileError(`the --${name} option requires BuildKit, which is not available`);
    }
    if (!known.includes(name)) throw new DockerfileError(`unknown flag: ${shown(name)}`);
    if (read.has(name)) throw new DockerfileError(`duplicate flag specified: ${name}`);
    if (equals < 0) throw new DockerfileError(`missing a value on flag: ${name}`);
    read.set(name, text.slice(equals + 1));
  }
  return read;
}

const BUILDKIT_ONLY = [
  "mount",
  "network",
  "security",
  "device",
  "link",
  "parents",
  "exclude",
  "checksum",
  "keep-git-dir",
  "unpack",
  "chmod",
];

import type { EscapeChar } from "./directives.ts";
import { DockerfileError, shown } from "./error.ts";
import { mayContinue } from "./lines.ts";

/** An instruction for the engine. `shown` is the user's text of it; without one it is the agent's own. */
export type Step = { text: string; shown?: string };

/** no engine reads a line of 64 KiB */
const CHUNK = 32_768;

/**
 * A word that the engine reads as `literal`, whatever its escape character: in single quotes, which nothing
 * is special in, unless it is plain.
 * @throws DockerfileError for what has several lines
 */
export function quote(literal: string): string {
  if (/[\n\0]/.test(literal)) throw new DockerfileError("a value of several lines cannot be set");
  if (/^[A-Za-z0-9_./:@%+,][A-Za-z0-9_./:@%+,-]*$/.test(literal)) return literal;
  return `'${literal.replaceAll("'", `'"'"'`)}'`;
}

/** `key=value` for ENV, LABEL and ARG. @throws DockerfileError for a key with `=`, which no form can hold */
export function writePair(key: string, value: string): string {
  return `${writeKey(key)}=${value === "" ? "" : quote(value)}`;
}

/** @throws DockerfileError */
export function writeKey(key: string): string {
  if (key.includes("=")) throw new DockerfileError(`the name ${shown(key)} must not hold =`);
  return quote(key);
}

/** The JSON form. */
export function writeList(words: readonly string[]): string {
  return JSON.stringify(words.map((word) => word.toWellFormed()));
}

/** The JSON form of words in which the engine expands variables and takes quotes away. */
export function writeLiterals(literals: readonly string[]): string {
  return writeList(literals.map((literal) => (literal.includes("\n") ? newlines(literal) : quote(literal))));
}

/** JSON can carry line ends into quotes. */
function newlines(literal: string): string {
  return `'${literal.replaceAll("'", `'"'"'`)}'`;
}

/**
 * A text as it stands. @throws DockerfileError for what would be read as something else
 */
export function writeText(text: string, escapeChar: EscapeChar): string {
  if (text.startsWith("--"))
    throw new DockerfileError("a text that begins with -- must not look like a flag");
  if (text.includes("\n")) throw new DockerfileError("more than one line");
  if (mayContinue(text, escapeChar)) {
    throw new DockerfileError("the last line must not end with the escape character");
  }
  return text;
}

/** The Dockerfile of these steps: one line an instruction, longer ones continued. */
export function writeDockerfile(steps: readonly Step[], escapeChar: EscapeChar): string {
  const lines = steps.map(({ text }) => `${inChunks(text).join(`${escapeChar}\n`)}\n`);
  return (escapeChar === "`" ? "# escape=`\n" : "") + lines.join("");
}

/** Cut between two letters or digits, where no line looks like a comment, is blank or ends in an escape. */
function inChunks(text: string): string[] {
  const chunks: string[] = [];
  let rest = text;
  while (Buffer.byteLength(rest) > CHUNK) {
    // characters of up to three bytes
    let at = Math.floor(CHUNK / 3);
    while (at > 1 && !/^[A-Za-z0-9]{2}$/.test(rest.slice(at - 1, at + 1))) at--;
    if (at <= 1) throw new DockerfileError("the instruction is too long");
    chunks.push(rest.slice(0, at));
    rest = rest.slice(at);
  }
  return [...chunks, rest];
}

import { parameterError } from "./refusals.ts";

/** What a job's command becomes: words for the image's ENTRYPOINT, or a text for a shell in place of it. */
export type JobCommand = { args: string[] } | { command: string[] };

/** Unquoted, one of these is no argument: the text is meant for a shell. */
const OPERATORS = new Set(["|", "||", "&&", ";", "&"]);
const REDIRECTION = /^\d*[<>]/;

/** A word, and what of it stood outside of quotes: `\0` for each quoted character. */
type Word = { text: string; bare: string };

/**
 * Splits a text as a POSIX shell splits words, with nothing expanded; a text with an unquoted control operator or
 * redirection goes to a shell whole.
 * @throws INVALID_PARAMETERS for an unclosed quote
 * @example
 * commandOf('echo "a b"') // { args: ["echo", "a b"] }
 * commandOf("cat a > b") // { command: ["/bin/sh", "-c", "cat a > b"] }
 */
export function commandOf(text: string): JobCommand {
  const words = wordsOf(text);
  const forShell = words.some(
    ({ bare }) => OPERATORS.has(bare) || bare.endsWith(";") || REDIRECTION.test(bare),
  );
  return forShell ? { command: ["/bin/sh", "-c", text] } : { args: words.map((word) => word.text) };
}

function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  let word: Word | undefined;
  const add = (character: string, quoted: boolean) => {
    word ??= { text: "", bare: "" };
    word.text += character;
    word.bare += quoted ? "\0" : character;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === " " || character === "\t" || character === "\n") {
      if (word) words.push(word);
      word = undefined;
    } else if (character === "'") {
      const end = closing(text.indexOf("'", at + 1));
      // an empty pair of quotes is a word too
      word ??= { text: "", bare: "" };
      for (const inner of text.slice(at + 1, end)) add(inner, true);
      at = end;
    } else if (character === '"') {
      word ??= { text: "", bare: "" };
      at = doubleQuoted(text, at, (inner) => add(inner, true));
    } else if (character === "\\") {
      const next = text[++at];
      if (next === undefined) add("\\", true);
      else if (next !== "\n") add(next, true);
    } else add(character, false);
  }
  if (word) words.push(word);
  return words;
}

/** @returns where its closing quote is */
function doubleQuoted(text: string, from: number, add: (character: string) => void): number {
  for (let at = from + 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') return at;
    const next = text[at + 1];
    if (character === "\\" && next !== undefined && '$`"\\\n'.includes(next)) {
      if (next !== "\n") add(next);
      at++;
    } else add(character);
  }
  return closing(-1);
}

function closing(at: number): number {
  if (at === -1) throw parameterError("command", "No closing quotation");
  return at;
}

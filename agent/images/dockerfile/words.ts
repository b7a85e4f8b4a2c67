import { isBlank, splitOnce } from "./blanks.ts";
import type { EscapeChar } from "./directives.ts";
import { DockerfileError, shown } from "./error.ts";

/**
 * Splits ARG, ENV and LABEL as the engine does: at every Unicode blank that is neither quoted nor escaped.
 * The words keep their quotes and escapes.
 */
export function splitWords(text: string, escapeChar: EscapeChar): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  const chars = [...text];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    if (quote === "" && isBlank(char)) {
      if (word !== "") words.push(word);
      word = "";
    } else if (char === escapeChar && quote !== "'") {
      // an escape at the very end is dropped
      if (i + 1 < chars.length) word += char + chars[++i]!;
    } else {
      if (quote === "" && (char === "'" || char === '"')) quote = char;
      else if (char === quote) quote = "";
      word += char;
    }
  }
  if (word !== "") words.push(word);
  return words;
}

/**
 * The keys and values of ENV and LABEL in turn, unexpanded: `key=value …`, or the old form `key value`.
 * @throws DockerfileError
 */
export function splitPairs(text: string, escapeChar: EscapeChar): string[] {
  const words = splitWords(text, escapeChar);
  if (words.length === 0) return [];
  if (!words[0]!.includes("=")) {
    const [key, value] = splitOnce(text);
    if (value === undefined) throw new DockerfileError("must have two arguments");
    return [key, value];
  }
  return words.flatMap((word) => {
    const equals = word.indexOf("=");
    if (equals < 0) throw new DockerfileError(`no = in ${shown(word)}: must be of the form name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

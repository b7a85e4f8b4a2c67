/**
 * Splits a text into words as a shell does, with nothing expanded. A quote that is not closed ends with the text. Pure.
 *
 * @example
 * splitWords(`-a "b c" d\\ e`) // ["-a", "b c", "d e"]
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const one = text[at]!;
    if (quote === "'" ? one !== "'" : one === "\\" && at + 1 < text.length) {
      const next = text[at + 1]!;
      const kept = quote === '"' && !`"\\$\``.includes(next) ? `\\${next}` : next;
      if (quote === "'") word = (word ?? "") + one;
      else {
        word = (word ?? "") + kept;
        at++;
      }
    } else if (quote === "" && /\s/.test(one)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (one === quote) quote = "";
    else if (quote === "" && (one === "'" || one === '"')) {
      quote = one;
      word ??= "";
    } else word = (word ?? "") + one;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** What may begin a heredoc, quoted or not: its name. */
const BEGIN = /<<-?[\t ]*["'\\]?([A-Za-z_]\w*)/g;

/** Names of the heredocs whose texts the lines after `text` may have been meant as. */
export function heredocNames(text: string): string[] {
  return [...text.matchAll(BEGIN)].map(([, name]) => name!);
}

export const HEREDOC_MESSAGE = "heredocs require BuildKit, which is not available";

/**
 * Does a shell find a heredoc in `text`: `<<` outside of quotes, comments and arithmetic? The classic builder
 * knows none: it would hand the shell one without its text.
 */
export function hasHeredoc(text: string): boolean {
  let arithmetic = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    const rest = text.slice(i, i + 3);
    if (char === "\\") i++;
    else if (char === "'" || char === '"') i = endOfQuote(text, i);
    else if (char === "#" && (i === 0 || /[\s;&|(]/.test(text[i - 1]!))) return false;
    else if (rest.startsWith("((") || rest.startsWith("$[")) {
      arithmetic++;
      i++;
    } else if (arithmetic > 0 && (rest.startsWith("))") || char === "]")) {
      arithmetic--;
      if (char === ")") i++;
    } else if (rest === "<<<") i += 2;
    else if (rest.startsWith("<<") && arithmetic === 0) {
      if (/^<<-?\s*[^\s<>;&|()]/.test(text.slice(i))) return true;
      i++;
    }
  }
  return false;
}

function endOfQuote(text: string, start: number): number {
  const quote = text[start]!;
  for (let i = start + 1; i < text.length; i++) {
    if (quote === '"' && text[i] === "\\") i++;
    else if (text[i] === quote) return i;
  }
  return text.length;
}

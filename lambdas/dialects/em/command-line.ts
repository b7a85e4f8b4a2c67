import { invalid } from "../../fields/form-values.ts";

/** What only a shell understands: redirection, pipes, lists, expansion, quotes, globs, `~`, comments. */
const SHELL = /[|&;<>()$`\\"'*?[\n]|(?:^|\s)[~#]|^\s*[A-Za-z_]\w*=/;

/**
 * `command` and `args` of pod/run in the shape of Kubernetes. With `args`, `command` is split as a shell
 * splits words and no shell runs. Without, a command with shell characters is run by `/bin/sh -c`; any
 * other is split into words. A blank command is none.
 * @throws INVALID_PARAMETERS when a quote is not closed
 */
export function commandLine(
  command: string | undefined,
  args: string[] | undefined,
): { command?: string[]; args?: string[] } {
  const given = args && args.length > 0 ? { args } : {};
  if (command === undefined || command.trim() === "") return given;
  if (given.args) return { command: splitWords(command), ...given };
  if (SHELL.test(command)) return { command: ["/bin/sh", "-c", command] };
  return { command: splitWords(command) };
}

/**
 * Splits a text as a POSIX shell splits words: blanks separate, `'…'` is literal, `"…"` knows `\"`, `\\`,
 * `\$` and `` \` ``, a backslash elsewhere takes the next character as it is. Nothing is expanded.
 * @throws INVALID_PARAMETERS when a quote is not closed
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (/[ \t\r\n]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) throw invalid("command", "a quote is not closed");
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (character === '"') {
      word ??= "";
      for (i++; text[i] !== '"'; i++) {
        if (i >= text.length) throw invalid("command", "a quote is not closed");
        if (text[i] === "\\" && text[i + 1] === "\n") i++;
        else if (text[i] === "\\" && /["\\$`]/.test(text[i + 1] ?? "")) word += text[++i];
        else word += text[i];
      }
    } else if (character === "\\") {
      if (i + 1 >= text.length) word = `${word ?? ""}\\`;
      // a backslash before a line end joins the lines
      else if (text[++i] !== "\n") word = (word ?? "") + text[i];
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

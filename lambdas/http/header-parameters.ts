/** A header such as Content-Type or Content-Disposition: its value, and its parameters by lower-case name. */
export type ParameterisedHeader = { value: string; parameters: Map<string, string> };

const BLANKS = /[ \t]*(?:\r\n[ \t]+)*[ \t]*/y;
const NAME = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
/** more than a token: clients leave quotes away around `/`, `=`, `:` and letters beyond ASCII */
const BARE = /[^\s;"]+/y;
const QUOTED = /"((?:[^"\\\r\n]|\\[^\r\n])*)"/y;

/**
 * Reads `value; name=token; name="quoted"`. In quotes, `\"` and `\\` are escapes; any other backslash stays, as
 * browsers do not escape theirs. A header may be folded between its parameters, not within one.
 * @throws SyntaxError whose message is the rule that is broken
 */
export function readParameters(header: string): ParameterisedHeader {
  const semicolon = header.indexOf(";");
  const value = (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase();
  const parameters = new Map<string, string>();
  let at = semicolon < 0 ? header.length : semicolon;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (!match) return undefined;
    at += match[0].length;
    return match;
  };
  while (at < header.length) {
    if (header[at] !== ";") throw new SyntaxError("a value with blanks or quotes in it must be quoted");
    at++;
    take(BLANKS);
    if (at === header.length || header[at] === ";") continue;
    const name = take(NAME)?.[0].toLowerCase();
    if (name === undefined) throw new SyntaxError("a parameter has no name");
    take(BLANKS);
    if (header[at] !== "=") throw new SyntaxError(`${name} has no value`);
    at++;
    take(BLANKS);
    const text = header[at] === '"' ? take(QUOTED)?.[1]?.replace(/\\(["\\])/g, "$1") : take(BARE)?.[0];
    if (text === undefined) throw new SyntaxError(`the value of ${name} has no end, or a line end in it`);
    if (parameters.has(name)) throw new SyntaxError(`${name} is given twice`);
    parameters.set(name, text);
    take(BLANKS);
  }
  return { value, parameters };
}

// one pass over the characters, as what is sent may be a MiB of nothing but brackets
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const ESCAPE = 0x5c;
const OPENING = [0x5b, 0x7b];
const CLOSING = [0x5d, 0x7d];
const SPACES = [0x20, 0x09, 0x0a, 0x0d];

/**
 * The members of a JSON object, each with its value's compact text; of a key that is given twice the last, as JSON.parse
 * has it.
 * @returns undefined when the text is JSON and no object
 * @throws SyntaxError when it is no JSON
 */
export function membersOf(text: string): ReadonlyMap<string, string> | undefined {
  // first, as what follows only divides what is JSON
  JSON.parse(text);
  return membersOfValue(text);
}

/** The same of a text that is known to be JSON, as a member's is. */
export function membersOfValue(text: string): ReadonlyMap<string, string> | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  const members = new Map<string, string>();
  let depth = 0;
  let key: string | undefined;
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (depth === 1 && key !== undefined && (code === COMMA || CLOSING.includes(code))) {
      members.set(key, compact(text, begin, at));
      key = undefined;
    }
    if (code === QUOTE) {
      const last = endOfText(text, at);
      if (depth === 1 && key === undefined) key = JSON.parse(text.slice(at, last + 1)) as string;
      at = last;
    } else if (depth === 1 && code === COLON) begin = at + 1;
    else if (OPENING.includes(code)) depth++;
    else if (CLOSING.includes(code)) depth--;
  }
  return members;
}

/** Where the text that begins at a quote has its last one. */
function endOfText(json: string, begin: number): number {
  for (let at = begin + 1; ; at++) {
    const code = json.charCodeAt(at);
    if (code === ESCAPE) at++;
    else if (code === QUOTE) return at;
  }
}

/** Without insignificant white space; numbers, texts and the order of keys stay as they were written. */
function compact(json: string, from: number, to: number): string {
  let text = "";
  let begin = from;
  for (let at = from; at < to; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = endOfText(json, at);
    else if (SPACES.includes(code)) {
      text += json.slice(begin, at);
      begin = at + 1;
    }
  }
  return text + json.slice(begin, to);
}

// no alternative within a repetition of single characters: a text of a MiB would need as many steps back
const TOKEN = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"|[[\]{},]|[^\s"[\]{},:]+|:/g;

/** Is a key given twice in one object of a JSON text, at any depth? */
export function hasKeyTwice(text: string): boolean {
  /** the keys of each object that is open, undefined for a list */
  const open: (Set<string> | undefined)[] = [];
  const tokens = text.match(TOKEN) ?? [];
  for (const [at, token] of tokens.entries()) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (tokens[at + 1] === ":") {
      const keys = open.at(-1);
      const key = JSON.parse(token) as string;
      if (keys?.has(key)) return true;
      keys?.add(key);
    }
  }
  return false;
}

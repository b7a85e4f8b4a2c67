// no alternative within a repetition of single characters: a text of a MiB would need as many steps back
const TOKEN = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"|[[\]{},]|[^\s"[\]{},:]+|:/g;

/** JSON without insignificant white space; numbers, texts and the order of keys stay as they were written. */
export function compactJson(text: string): string {
  JSON.parse(text);
  return (text.match(TOKEN) ?? []).join("");
}

/**
 * The members of a JSON object, each with its value's compact text; of a key that is given twice the last, as JSON.parse
 * has it.
 * @returns undefined when the text is JSON and no object
 * @throws SyntaxError when it is no JSON
 */
export function membersOf(text: string): ReadonlyMap<string, string> | undefined {
  // first, as what follows only divides what is JSON
  JSON.parse(text);
  const tokens = text.match(TOKEN) ?? [];
  if (tokens[0] !== "{") return undefined;
  const members = new Map<string, string>();
  let depth = 1;
  let key: string | undefined;
  let begin = 0;
  const end = (at: number) => {
    if (key !== undefined) members.set(key, tokens.slice(begin, at).join(""));
    key = undefined;
  };
  for (const [at, token] of tokens.entries()) {
    if (at === 0) continue;
    if (depth === 1 && (token === "," || token === "}")) end(at);
    else if (depth === 1 && key === undefined) {
      key = JSON.parse(token) as string;
      begin = at + 2;
    }
    if (token === "{" || token === "[") depth++;
    if (token === "}" || token === "]") depth--;
  }
  return members;
}

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

import { LIMITS } from "#protocol/limits.ts";

/** A number exactly as it was written: `1.10` and 2^63 stay what they are. */
export class NumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A value of JSON, or of a Python literal: objects are maps (so that no key is special), numbers their text. */
export type Literal =
  | string
  | boolean
  | null
  | NumberText
  | readonly Literal[]
  | ReadonlyMap<string, Literal>;

type WithSource = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;

/** What JSON allows and no two readers read alike. */
export class AmbiguousJson extends SyntaxError {}

/**
 * JSON to {@link Literal}.
 * @throws SyntaxError; AmbiguousJson for a key twice in one object, half of a surrogate pair, deep nesting
 */
export function parseJson(text: string): Literal {
  readJson(text);
  const revive: WithSource = (_key, value, context) => {
    if (typeof value === "number") return new NumberText(context.source ?? String(value));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return value instanceof NumberText ? value : new Map(Object.entries(value));
  };
  return JSON.parse(text, revive as Parameters<typeof JSON.parse>[1]) as Literal;
}

const TOKEN = /"((?:[^"\\]|\\[\s\S])*)"(\s*:)?|[[\]{}]/g;

/**
 * JSON as JSON.parse reads it, where that is the only reading.
 * @throws SyntaxError, AmbiguousJson as {@link parseJson}
 */
export function readJson(text: string): unknown {
  // first, as the expression below is linear only in what is JSON
  const value: unknown = JSON.parse(text);
  checkJson(text);
  return value;
}

function checkJson(text: string): void {
  /** the keys of each object that is open, undefined for a list */
  const open: (Set<string> | undefined)[] = [];
  for (const [token, inner, colon] of text.matchAll(TOKEN)) {
    if (inner !== undefined) {
      const value = inner.includes("\\") ? (JSON.parse(`"${inner}"`) as string) : inner;
      if (!value.isWellFormed()) throw new AmbiguousJson("a text holds half of a surrogate pair");
      const keys = open.at(-1);
      if (colon === undefined || !keys) continue;
      if (keys.has(value)) throw new AmbiguousJson(`the key ${JSON.stringify(value)} is given twice`);
      keys.add(value);
    } else if (token === "{" || token === "[") {
      if (open.push(token === "{" ? new Set() : undefined) > LIMITS.jsonDepth) {
        throw new AmbiguousJson(`nested deeper than ${LIMITS.jsonDepth}`);
      }
    } else open.pop();
  }
}

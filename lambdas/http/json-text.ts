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

/** JSON to {@link Literal}. @throws SyntaxError, RangeError when nested too deep for the stack */
export function parseJson(text: string): Literal {
  const revive: WithSource = (_key, value, context) => {
    if (typeof value === "number") return new NumberText(context.source ?? String(value));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return value instanceof NumberText ? value : new Map(Object.entries(value));
  };
  return JSON.parse(text, revive as Parameters<typeof JSON.parse>[1]) as Literal;
}

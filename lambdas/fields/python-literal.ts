import { LIMITS } from "#protocol/limits.ts";
import { type Literal, NumberText } from "../http/json-text.ts";

const NUMBER =
  /[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d(?:_?\d)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y;
const SIMPLE: Record<string, string> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
};

/**
 * Reads what Python's `repr` writes of lists, tuples, dicts, strings, numbers, True, False and None, as
 * clients put it into form fields: `['--debug', '-f']`, `{'KEY1': 1, "K": 'v'}`. Tuples are lists; keys of a
 * dict are strings (numbers become their text).
 * @throws SyntaxError
 */
export function parsePythonLiteral(text: string): Literal {
  return new Reader(text).whole();
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Literal {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail();
    return value;
  }

  #value(depth: number): Literal {
    if (depth > LIMITS.literalDepth) this.#fail("nested too deep");
    this.#space();
    const next = this.#text[this.#at];
    if (next === "[") return this.#list("]", depth);
    if (next === "(") return this.#list(")", depth);
    if (next === "{") return this.#dict(depth);
    if (next === "'" || next === '"') return this.#string();
    if ((next === "u" || next === "U") && /['"]/.test(this.#text[this.#at + 1] ?? "")) {
      this.#at++;
      return this.#string();
    }
    return this.#word();
  }

  #list(close: string, depth: number): Literal[] {
    const items: Literal[] = [];
    this.#at++;
    while (!this.#took(close)) {
      items.push(this.#value(depth + 1));
      if (this.#took(",")) continue;
      if (this.#took(close)) return items;
      this.#fail();
    }
    return items;
  }

  #dict(depth: number): Map<string, Literal> {
    const entries = new Map<string, Literal>();
    this.#at++;
    while (!this.#took("}")) {
      const key = this.#value(depth + 1);
      if (typeof key !== "string" && !(key instanceof NumberText)) this.#fail("a key must be a string");
      if (!this.#took(":")) this.#fail();
      const name = key instanceof NumberText ? key.text : key;
      if (entries.has(name)) this.#fail("a key is given twice");
      entries.set(name, this.#value(depth + 1));
      if (this.#took(",")) continue;
      if (this.#took("}")) return entries;
      this.#fail();
    }
    return entries;
  }

  #string(): string {
    const quote = this.#text[this.#at++];
    let value = "";
    for (;;) {
      const next = this.#text[this.#at++];
      if (next === undefined || next === "\n") this.#fail("a string without an end");
      if (next === quote) {
        if (!value.isWellFormed()) this.#fail("half of a surrogate pair");
        return value;
      }
      value += next === "\\" ? this.#escape() : next;
    }
  }

  #escape(): string {
    const next = this.#text[this.#at++];
    if (next === undefined) this.#fail("a string without an end");
    const simple = SIMPLE[next];
    if (simple !== undefined) return simple;
    const length = { x: 2, u: 4, U: 8 }[next];
    if (length !== undefined) {
      const digits = this.#text.slice(this.#at, this.#at + length);
      const code =
        /^[0-9a-fA-F]+$/.test(digits) && digits.length === length ? Number.parseInt(digits, 16) : -1;
      if (code < 0 || code > 0x10ffff) this.#fail("a malformed escape");
      this.#at += length;
      return String.fromCodePoint(code);
    }
    const octal = /[0-7]{1,3}/y;
    octal.lastIndex = this.#at - 1;
    const digits = octal.exec(this.#text)?.[0];
    if (digits === undefined) return `\\${next}`;
    this.#at += digits.length - 1;
    return String.fromCodePoint(Number.parseInt(digits, 8));
  }

  #word(): Literal {
    const words = /True|true|False|false|None|null/y;
    words.lastIndex = this.#at;
    const word = words.exec(this.#text)?.[0];
    if (word !== undefined) {
      this.#at += word.length;
      this.#end();
      if (word === "None" || word === "null") return null;
      return word === "True" || word === "true";
    }
    NUMBER.lastIndex = this.#at;
    const number = NUMBER.exec(this.#text)?.[0];
    if (number === undefined) return this.#fail();
    this.#at += number.length;
    this.#end();
    return new NumberText(number);
  }

  /** A word or number must not run on: `1a` and `Truex` are nothing. */
  #end(): void {
    if (/[\w.]/.test(this.#text[this.#at] ?? "")) this.#fail();
  }

  #took(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #fail(what = "unexpected character"): never {
    throw new SyntaxError(`${what} at ${this.#at}`);
  }
}

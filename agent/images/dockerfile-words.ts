import { DockerfileError } from "./dockerfile-lines.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;

/**
 * Expands variables and takes quotes away as the engine does for one word: `$X`, `${X}`, `${X:-word}`,
 * `${X-word}`, `${X:+word}`, `${X+word}`, quotes and the escape character. An unknown variable is empty.
 * @throws DockerfileError for anything else
 */
export function expandWord(text: string, variables: ReadonlyMap<string, string>, escapeChar: string): string {
  const reader = new WordReader(text, variables, escapeChar);
  return reader.read(undefined, 0);
}

/** Splits at blanks that are neither quoted nor escaped; the words keep their quotes. */
export function splitWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === escapeChar && quote !== "'" && i + 1 < text.length) {
      word += char + text[++i]!;
    } else if (quote !== "") {
      word += char;
      if (char === quote) quote = "";
    } else if (/[\t\v\f\r ]/.test(char)) {
      if (word !== "") words.push(word);
      word = "";
    } else {
      if (char === '"' || char === "'") quote = char;
      word += char;
    }
  }
  if (word !== "") words.push(word);
  return words;
}

class WordReader {
  readonly #text: string;
  readonly #variables: ReadonlyMap<string, string>;
  readonly #escape: string;
  #at = 0;

  constructor(text: string, variables: ReadonlyMap<string, string>, escapeChar: string) {
    this.#text = text;
    this.#variables = variables;
    this.#escape = escapeChar;
  }

  /** Reads up to `stop` (consumed) or the end. */
  read(stop: "}" | undefined, depth: number): string {
    if (depth > 20) throw new DockerfileError("variables are nested too deeply");
    let out = "";
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at++]!;
      if (char === stop) return out;
      if (char === "'") out += this.#upTo("'");
      else if (char === '"') out += this.#quoted(depth);
      else if (char === "$") out += this.#variable(depth);
      else if (char === this.#escape) out += this.#text[this.#at++] ?? "";
      else out += char;
      if (out.length > 65_536) throw new DockerfileError("a word is too long after expansion");
    }
    if (stop) throw new DockerfileError("syntax error: missing '}'");
    return out;
  }

  #upTo(end: string): string {
    const close = this.#text.indexOf(end, this.#at);
    if (close < 0) throw new DockerfileError("unexpected end of statement while looking for matching quote");
    const inside = this.#text.slice(this.#at, close);
    this.#at = close + 1;
    return inside;
  }

  #quoted(depth: number): string {
    let out = "";
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at++]!;
      if (char === '"') return out;
      if (char === "$") out += this.#variable(depth);
      else if (char === this.#escape) {
        const next = this.#text[this.#at++] ?? "";
        out += next === '"' || next === "$" || next === this.#escape ? next : char + next;
      } else out += char;
    }
    throw new DockerfileError("unexpected end of statement while looking for matching double-quote");
  }

  #variable(depth: number): string {
    if (this.#text[this.#at] !== "{") {
      const name = this.#name();
      return name === "" ? "$" : (this.#variables.get(name) ?? "");
    }
    this.#at++;
    const name = this.#name();
    if (name === "") throw new DockerfileError("bad variable substitution");
    const value = this.#variables.get(name);
    const [, colon, sign] = /^(:?)([-+}])/.exec(this.#text.slice(this.#at, this.#at + 2)) ?? [];
    if (sign === undefined || (colon === ":" && sign === "}")) {
      throw new DockerfileError(`unsupported modifier in the substitution of ${name.slice(0, 80)}`);
    }
    this.#at += (colon ?? "").length + 1;
    if (sign === "}") return value ?? "";
    const word = this.read("}", depth + 1);
    const isSet = colon === ":" ? (value ?? "") !== "" : value !== undefined;
    if (sign === "-") return isSet ? value! : word;
    return isSet ? word : "";
  }

  #name(): string {
    const name = NAME.exec(this.#text.slice(this.#at, this.#at + 256))?.[0] ?? "";
    this.#at += name.length;
    return name;
  }
}

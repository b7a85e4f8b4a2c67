import { LIMITS } from "#protocol/limits.ts";
import { hasBlank, isBlank } from "./blanks.ts";
import type { EscapeChar } from "./directives.ts";
import { DockerfileError, shown } from "./error.ts";

export type Variables = { get(name: string): string | undefined };

const NESTING = 20;

/**
 * Expands variables and takes quotes away as the engine does: `$X`, `${X}`, `${X:-word}`, `${X:+word}`,
 * `${X:?word}`, `${X?word}`, and as later engines do `${X-word}`, `${X+word}`. An unknown variable is empty.
 * One is for a whole Dockerfile: all that its words come to is bounded.
 */
export class Expander {
  readonly #escape: EscapeChar;
  #left: number = LIMITS.dockerfileExpanded;

  constructor(escapeChar: EscapeChar) {
    this.#escape = escapeChar;
  }

  /** @throws DockerfileError */
  word(text: string, variables: Variables): string {
    return this.#expand(text, variables).text;
  }

  /** As {@link word}, then split at the blanks that are not quoted (EXPOSE). @throws DockerfileError */
  words(text: string, variables: Variables): string[] {
    return this.#expand(text, variables).words;
  }

  #expand(text: string, variables: Variables): { text: string; words: string[] } {
    const expanded = new Expansion(text, variables, this.#escape).read(undefined, 0);
    this.#left -= expanded.text.length;
    if (this.#left < 0) throw new DockerfileError("the Dockerfile is too long after expansion");
    return expanded;
  }
}

class Expansion {
  readonly #chars: string[];
  readonly #variables: Variables;
  readonly #escape: EscapeChar;
  #at = 0;

  constructor(text: string, variables: Variables, escapeChar: EscapeChar) {
    // the engine's scanner drops one at the beginning
    this.#chars = [...text.replace(/^\ufeff/, "")];
    this.#variables = variables;
    this.#escape = escapeChar;
  }

  /** Reads up to `stop` (consumed) or the end. */
  read(stop: "}" | undefined, depth: number): { text: string; words: string[] } {
    if (depth > NESTING) throw new DockerfileError("variables are nested too deeply");
    const words = new Words();
    let text = "";
    while (this.#at < this.#chars.length) {
      const char = this.#chars[this.#at++]!;
      if (char === stop) return { text, words: words.end() };
      if (char === "'") text += words.add(this.#single());
      else if (char === '"') text += words.add(this.#double(depth));
      else if (char === "$") text += words.split(this.#variable(depth));
      else if (char === this.#escape) text += words.add(this.#chars[this.#at++] ?? "");
      else text += words.split(char);
      if (text.length > LIMITS.dockerfileWord)
        throw new DockerfileError("a word is too long after expansion");
    }
    if (stop) throw new DockerfileError("syntax error: missing '}'");
    return { text, words: words.end() };
  }

  #single(): string {
    const close = this.#chars.indexOf("'", this.#at);
    if (close < 0) throw unmatched("single-quote");
    const inside = this.#chars.slice(this.#at, close).join("");
    this.#at = close + 1;
    return inside;
  }

  #double(depth: number): string {
    let out = "";
    while (this.#at < this.#chars.length) {
      const char = this.#chars[this.#at++]!;
      if (char === '"') return out;
      if (char === "$") out += this.#variable(depth);
      else if (char !== this.#escape) out += char;
      else {
        const next = this.#chars[this.#at];
        if (next !== '"' && next !== "$" && next !== this.#escape) out += next === undefined ? "" : char;
        else {
          out += next;
          this.#at++;
        }
      }
    }
    throw unmatched("double-quote");
  }

  #variable(depth: number): string {
    if (this.#chars[this.#at] !== "{") {
      const name = this.#name();
      return name === "" ? "$" : (this.#variables.get(name) ?? "");
    }
    this.#at++;
    const next = this.#chars[this.#at];
    if (next === undefined) throw new DockerfileError("syntax error: missing '}'");
    if (next === "{" || next === "}" || next === ":") {
      throw new DockerfileError("syntax error: bad substitution");
    }
    const name = this.#name();
    const value = this.#variables.get(name);
    let sign = this.#chars[this.#at++];
    if (sign === "}") return value ?? "";
    const colon = sign === ":";
    if (colon) sign = this.#chars[this.#at++];
    if (sign !== "-" && sign !== "+" && sign !== "?") {
      throw new DockerfileError(
        sign === undefined
          ? "syntax error: missing '}'"
          : `unsupported modifier ${shown((colon ? ":" : "") + sign)} in the substitution of ${shown(name)}`,
      );
    }
    const word = this.read("}", depth + 1).text;
    const isSet = colon ? (value ?? "") !== "" : value !== undefined;
    if (sign === "+") return isSet ? word : "";
    if (isSet) return value!;
    if (sign === "-") return word;
    throw new DockerfileError(
      `${shown(name)}, required by the modifier ?, is ${value === undefined ? "not set" : "empty"}` +
        (word === "" ? "" : `: ${shown(word)}`),
    );
  }

  #name(): string {
    const first = this.#chars[this.#at] ?? "";
    if (/^[@*#?\-$!]$/.test(first)) {
      this.#at++;
      return first;
    }
    const allowed = /^\p{Nd}$/u.test(first) ? /^\p{Nd}$/u : /^[\p{L}\p{Nd}_]$/u;
    let name = "";
    while (allowed.test(this.#chars[this.#at] ?? "")) name += this.#chars[this.#at++];
    return name;
  }
}

/** The words that come out, as the engine's lexer collects them: an empty one is none. */
class Words {
  readonly #words: string[] = [];
  #word = "";

  add(text: string): string {
    this.#word += text;
    return text;
  }

  split(text: string): string {
    if (!hasBlank(text)) return this.add(text);
    for (const char of text) {
      if (!isBlank(char)) this.#word += char;
      else this.end();
    }
    return text;
  }

  end(): string[] {
    if (this.#word !== "") this.#words.push(this.#word);
    this.#word = "";
    return this.#words;
  }
}

function unmatched(what: string): DockerfileError {
  return new DockerfileError(`unexpected end of statement while looking for matching ${what}`);
}

import { LIMITS } from "#protocol/limits.ts";
import { distinctText } from "../../files/entry-name.ts";

/** A token of a pattern: one character of a kind, or something that may be empty. */
type Token =
  | { kind: "char"; char: string }
  | { kind: "class"; negated: boolean; ranges: [string, string][] }
  /** `?`: one character, no slash */
  | { kind: "one" }
  /** `*`: characters without a slash */
  | { kind: "star" }
  /** anything */
  | { kind: "rest" }
  /** the next two tokens, or neither: before a `rest` and a slash it is `**` */
  | { kind: "optional" };

type Pattern = {
  tokens: Token[];
  exception: boolean;
  literal: string;
  /** the round of matching in which a state was added last */
  seen: Float64Array;
  round: number;
};

/** A .dockerignore that cannot be read, or that takes too long to apply. */
export class IgnoreError extends Error {
  override readonly name = "IgnoreError";
}

/**
 * A .dockerignore, matched as Docker's client does: the last pattern
 * that matches a path or a directory above it decides, where a pattern that could not have changed the decision is
 * not looked at. Regular expressions would let a hostile pattern hold the agent for hours; here a match takes at
 * most pattern times path, and all matches together a budget.
 */
export class IgnoreFile {
  readonly #patterns: Pattern[] = [];
  readonly #hasExceptions: boolean;
  /** the directories above the path asked for last, from the top, and which patterns each has met */
  readonly #above: { path: string; met: Uint8Array }[] = [];
  #budget: number;

  /** `budget`: states looked at, for all paths together. @throws IgnoreError for a pattern that is none */
  constructor(content: string | Buffer, budget: number = LIMITS.ignoreFileSteps) {
    this.#budget = budget;
    const text = distinctText(Buffer.from(content));
    for (const line of text.replace(/^\uFEFF/, "").split("\n")) {
      if (line.startsWith("#")) continue;
      let pattern = trim(line);
      if (pattern === "") continue;
      const exception = pattern.startsWith("!");
      if (exception) pattern = trim(pattern.slice(1));
      if (pattern === "") throw new IgnoreError('.dockerignore: illegal exclusion pattern: "!"');
      pattern = clean(pattern);
      if (pattern === "") continue;
      const tokens = tokensOf(pattern);
      const seen = new Float64Array(tokens.length + 1);
      this.#patterns.push({ tokens, exception, literal: literalPrefix(pattern), seen, round: 1 });
    }
    this.#hasExceptions = this.#patterns.some((pattern) => pattern.exception);
  }

  /** Is the path (relative, `/` between components) left out? @throws IgnoreError when the budget is used up */
  ignores(path: string | Buffer): boolean {
    const text = distinctText(Buffer.from(path));
    const above = this.#above;
    for (let top = above.at(-1); top && !text.startsWith(`${top.path}/`); top = above.at(-1)) above.pop();
    for (let end = text.indexOf("/", (above.at(-1)?.path.length ?? -1) + 1); end >= 0; ) {
      const directory = text.slice(0, end);
      above.push({ path: directory, met: this.#look(directory).met });
      end = text.indexOf("/", end + 1);
    }
    return this.#look(text).ignored;
  }

  /** Looks at a path whose directories are in `#above`. */
  #look(path: string): { ignored: boolean; met: Uint8Array } {
    const before = this.#above.at(-1)?.met;
    const characters = [...path];
    const met = new Uint8Array(this.#patterns.length);
    let ignored = false;
    for (const [i, pattern] of this.#patterns.entries()) {
      if (!before?.[i]) {
        if (pattern.exception !== ignored || !this.#matches(pattern, characters)) continue;
      }
      met[i] = 1;
      ignored = !pattern.exception;
    }
    return { ignored, met };
  }

  /** May something beneath an ignored directory come back by an exception? */
  mayHoldExceptions(path: string | Buffer): boolean {
    if (!this.#hasExceptions) return false;
    const directory = distinctText(Buffer.from(path));
    return this.#patterns.some(
      ({ exception, literal }) =>
        exception && (`${directory}/`.startsWith(literal) || literal.startsWith(`${directory}/`)),
    );
  }

  #matches(pattern: Pattern, path: readonly string[]): boolean {
    const { tokens } = pattern;
    const states = new States(pattern);
    states.add(0);
    for (const char of path) {
      states.turn();
      this.#budget -= states.current.length + 1;
      if (this.#budget < 0) throw new IgnoreError(".dockerignore: the patterns take too long to match");
      if (states.current.length === 0) return false;
      for (const state of states.current) step(states, state, tokens[state], char);
    }
    states.turn();
    return states.current.includes(tokens.length);
  }
}

/** Where a match may stand in its pattern: after the last character, and after the next one. */
class States {
  current: number[] = [];
  #next: number[] = [];
  readonly #pattern: Pattern;

  constructor(pattern: Pattern) {
    this.#pattern = pattern;
  }

  /** Adds a state, and those that are reached from it without a character. */
  add(state: number): void {
    const { tokens, seen, round } = this.#pattern;
    for (let at = state; seen[at] !== round; at++) {
      seen[at] = round;
      this.#next.push(at);
      const kind = tokens[at]?.kind;
      if (kind === "optional") this.add(at + 3);
      else if (kind !== "star" && kind !== "rest") return;
    }
  }

  turn(): void {
    this.current = this.#next;
    this.#next = [];
    this.#pattern.round++;
  }
}

function step(states: States, state: number, token: Token | undefined, char: string): void {
  if (token?.kind === "rest" || (token?.kind === "star" && char !== "/")) states.add(state);
  else if (token && takes(token, char)) states.add(state + 1);
}

function takes(token: Token, char: string): boolean {
  if (token.kind === "char") return token.char === char;
  if (token.kind === "one") return char !== "/";
  if (token.kind !== "class") return false;
  return token.ranges.some(([low, high]) => low <= char && char <= high) !== token.negated;
}

function tokensOf(pattern: string): Token[] {
  const characters = [...pattern];
  const tokens: Token[] = [];
  for (let i = 0; i < characters.length; i++) {
    const char = characters[i]!;
    if (char === "*" && characters[i + 1] === "*") {
      i++;
      if (characters[i + 1] === "/") i++;
      const rest = characters.slice(i + 1);
      // at the front of plain text it is any beginning; else it ends with a slash, whether or not one is written
      const begins =
        tokens.length === 0 && characters[i] === "*" && !rest.some((next) => SPECIAL.includes(next));
      if (rest.length === 0 || begins) tokens.push({ kind: "rest" });
      else tokens.push({ kind: "optional" }, { kind: "rest" }, { kind: "char", char: "/" });
    } else if (char === "*") tokens.push({ kind: "star" });
    else if (char === "?") tokens.push({ kind: "one" });
    else if (char === "[") {
      const { token, end } = classAt(characters, i);
      tokens.push(token);
      i = end;
    } else if (char === "\\") {
      if (i + 1 >= characters.length) throw badPattern(pattern);
      tokens.push({ kind: "char", char: characters[++i]! });
    } else tokens.push({ kind: "char", char });
  }
  return tokens;
}

const SPECIAL = ["*", "?", "[", "]", "\\"];

function classAt(pattern: readonly string[], start: number): { token: Token; end: number } {
  let i = start + 1;
  const negated = pattern[i] === "^";
  if (negated) i++;
  const ranges: [string, string][] = [];
  const take = (): string => {
    if (pattern[i] === "-" || pattern[i] === "]") throw badPattern(pattern.join(""));
    if (pattern[i] === "\\") i++;
    const char = pattern[i++];
    if (char === undefined) throw badPattern(pattern.join(""));
    return char;
  };
  while (pattern[i] !== "]" || ranges.length === 0) {
    const low = take();
    let high = low;
    if (pattern[i] === "-") {
      i++;
      high = take();
    }
    ranges.push([low, high]);
  }
  return { token: { kind: "class", negated, ranges }, end: i };
}

function badPattern(pattern: string): IgnoreError {
  return new IgnoreError(`.dockerignore: syntax error in pattern ${JSON.stringify(pattern.slice(0, 200))}`);
}

/** As Go's filepath.Clean, without the slash at the front. */
function clean(pattern: string): string {
  const rooted = pattern.startsWith("/");
  const out: string[] = [];
  for (const part of pattern.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && out.length > 0 && out.at(-1) !== "..") out.pop();
    else if (part !== ".." || !rooted) out.push(part);
  }
  return out.join("/");
}

function literalPrefix(pattern: string): string {
  return /^[^*?[\\]*/.exec(pattern)![0];
}

const BLANK = "[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const BLANKS = new RegExp(`^${BLANK}|${BLANK}$`, "g");

/** Without what Go takes for blank at both ends. */
function trim(line: string): string {
  return line.replace(BLANKS, "");
}

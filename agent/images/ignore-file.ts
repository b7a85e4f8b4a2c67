/** A token of a pattern: one character of a kind, or something that may be empty. */
type Token =
  | { kind: "char"; char: string }
  | { kind: "class"; negated: boolean; ranges: [string, string][] }
  /** `?`: one character, no slash */
  | { kind: "one" }
  /** `*`: characters without a slash */
  | { kind: "star" }
  /** `**` at the end: anything */
  | { kind: "rest" }
  /** `**` and its slash: no directory, or any number of them */
  | { kind: "directories" };

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

export const IGNORE_BYTES = 64 * 1024;
/** states looked at, for all paths together: a few seconds */
const BUDGET = 200_000_000;

/**
 * A .dockerignore, matched as Docker does: the last pattern that matches a path or a directory above it
 * decides. Regular expressions would let a hostile pattern hold the agent for hours; here a match takes at
 * most pattern times path, and all matches together a budget.
 */
export class IgnoreFile {
  readonly #patterns: Pattern[] = [];
  readonly #hasExceptions: boolean;
  #budget = BUDGET;

  /** @throws IgnoreError for a pattern that is none */
  constructor(text: string) {
    for (const line of text.replace(/^\uFEFF/, "").split("\n")) {
      if (line.startsWith("#")) continue;
      let pattern = line.trim();
      if (pattern === "") continue;
      const exception = pattern.startsWith("!");
      if (exception) pattern = pattern.slice(1).trim();
      pattern = clean(pattern);
      if (pattern === "") continue;
      const tokens = tokensOf(pattern);
      const seen = new Float64Array(tokens.length + 1);
      this.#patterns.push({ tokens, exception, literal: literalPrefix(pattern), seen, round: 1 });
    }
    this.#hasExceptions = this.#patterns.some((pattern) => pattern.exception);
  }

  /** Is the path (relative, `/` between components) left out? @throws IgnoreError when the budget is used up */
  ignores(path: string): boolean {
    const ends = [...path.matchAll(/\//g)].map((slash) => slash.index);
    const prefixes = new Set([...ends, path.length]);
    let ignored = false;
    for (const pattern of this.#patterns) {
      if (pattern.exception !== ignored) continue;
      if (this.#matchesPrefix(pattern, path, prefixes)) ignored = !pattern.exception;
    }
    return ignored;
  }

  /** May something beneath an ignored directory come back by an exception? */
  mayHoldExceptions(directory: string): boolean {
    if (!this.#hasExceptions) return false;
    return this.#patterns.some(
      ({ exception, literal }) =>
        exception && (`${directory}/`.startsWith(literal) || literal.startsWith(`${directory}/`)),
    );
  }

  /** Does the pattern match the path up to one of the lengths in `ends`? */
  #matchesPrefix(pattern: Pattern, path: string, ends: ReadonlySet<number>): boolean {
    const { tokens } = pattern;
    const states = new States(pattern);
    states.add(0, undefined);
    for (let i = 0; ; i++) {
      states.turn();
      this.#budget -= states.current.length + 1;
      if (this.#budget < 0) throw new IgnoreError(".dockerignore: the patterns take too long to match");
      if (ends.has(i) && states.current.includes(tokens.length)) return true;
      if (i === path.length || states.current.length === 0) return false;
      const char = path[i]!;
      for (const state of states.current) step(states, state, tokens[state], char);
    }
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

  /** Adds a state, and those that are reached from it without a character; `before` is the one just read. */
  add(state: number, before: string | undefined): void {
    const { tokens, seen } = this.#pattern;
    for (let at = state; ; at++) {
      if (seen[at] === this.#pattern.round) return;
      seen[at] = this.#pattern.round;
      this.#next.push(at);
      const kind = tokens[at]?.kind;
      // within a name, `**/` has not matched its slash yet
      const empty = kind === "directories" && (before === undefined || before === "/");
      if (kind !== "star" && kind !== "rest" && !empty) return;
    }
  }

  turn(): void {
    this.current = this.#next;
    this.#next = [];
    this.#pattern.round++;
  }
}

function step(states: States, state: number, token: Token | undefined, char: string): void {
  if (token === undefined) return;
  if (token.kind === "rest") states.add(state, char);
  else if (token.kind === "directories") {
    states.add(state, char);
    if (char === "/") states.add(state + 1, char);
  } else if (token.kind === "star") {
    if (char !== "/") states.add(state, char);
  } else if (takes(token, char)) states.add(state + 1, char);
}

function takes(token: Token, char: string): boolean {
  if (token.kind === "char") return token.char === char;
  if (char === "/") return false;
  if (token.kind === "one") return true;
  if (token.kind !== "class") return false;
  return token.ranges.some(([low, high]) => low <= char && char <= high) !== token.negated;
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === "*" && pattern[i + 1] === "*") {
      while (pattern[i + 1] === "*") i++;
      if (pattern[i + 1] === "/") {
        i++;
        tokens.push({ kind: "directories" });
      } else tokens.push({ kind: "rest" });
    } else if (char === "*") tokens.push({ kind: "star" });
    else if (char === "?") tokens.push({ kind: "one" });
    else if (char === "[") {
      const { token, end } = classAt(pattern, i);
      tokens.push(token);
      i = end;
    } else if (char === "\\") {
      if (i + 1 >= pattern.length) throw badPattern(pattern);
      tokens.push({ kind: "char", char: pattern[++i]! });
    } else tokens.push({ kind: "char", char });
  }
  return tokens;
}

function classAt(pattern: string, start: number): { token: Token; end: number } {
  let i = start + 1;
  const negated = pattern[i] === "^";
  if (negated) i++;
  const ranges: [string, string][] = [];
  const take = (): string => {
    if (pattern[i] === "\\") i++;
    const char = pattern[i++];
    if (char === undefined) throw badPattern(pattern);
    return char;
  };
  while (pattern[i] !== "]" || ranges.length === 0) {
    const low = take();
    let high = low;
    if (pattern[i] === "-" && pattern[i + 1] !== "]") {
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
  const out: string[] = [];
  for (const part of pattern.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && out.length > 0 && out.at(-1) !== "..") out.pop();
    else out.push(part);
  }
  return out.join("/");
}

function literalPrefix(pattern: string): string {
  return /^[^*?[\\]*/.exec(pattern)![0];
}

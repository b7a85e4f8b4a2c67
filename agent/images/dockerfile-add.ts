import { takeFlags, withFlags } from "./dockerfile-flags.ts";
import { DockerfileError, trim } from "./dockerfile-lines.ts";
import { expandWord } from "./dockerfile-words.ts";

/** What the engine or a later one would fetch from somewhere else. */
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|git@)|\.git#/i;
const SAFE_SOURCE = /^(?:\.\/|[A-Za-z0-9_./*?-]+$)/;

/**
 * Rewrites ADD so that no source can be a URL, whatever its variables come to: each gets `./` before it,
 * which means the same in the context. What is seen to be remote is refused in words.
 * @throws DockerfileError
 */
export function rewriteAdd(text: string, variables: ReadonlyMap<string, string>, escapeChar: string): string {
  const { flags, rest } = takeFlags("ADD", text, ["chown", "chmod"]);
  const { words, json } = wordsOf(rest);
  const sources = words.slice(0, -1);
  for (const source of sources) assertLocal(source, variables, escapeChar);
  const all = [...sources.map((source) => `./${source}`), ...words.slice(-1)];
  return withFlags({ flags, rest: json ? JSON.stringify(all) : all.join(" ") });
}

/** Can an ADD that a base image brings along fetch nothing? @throws DockerfileError */
export function assertLocalAdd(text: string): void {
  const { words } = wordsOf(takeFlags("ADD", text, ["chown", "chmod"]).rest);
  for (const source of words.slice(0, -1)) {
    if (!SAFE_SOURCE.test(source)) {
      throw new DockerfileError(`ADD of ${source.slice(0, 200)}: a source that may be remote is not allowed`);
    }
  }
}

function assertLocal(source: string, variables: ReadonlyMap<string, string>, escapeChar: string): void {
  let expanded = source;
  try {
    expanded = expandWord(source, variables, escapeChar);
  } catch {
    // the engine will say what is wrong with it
  }
  if (REMOTE.test(source) || REMOTE.test(expanded)) {
    throw new DockerfileError(
      `ADD of ${expanded.slice(0, 200)}: there is no network, remote sources are not allowed`,
    );
  }
}

/** The engine reads a JSON array of strings, else words between blanks. */
function wordsOf(rest: string): { words: string[]; json: boolean } {
  if (rest.startsWith("[")) {
    let list: unknown;
    try {
      list = JSON.parse(rest);
    } catch {
      throw new DockerfileError("ADD: an argument that begins with [ must be a JSON array of strings");
    }
    if (!Array.isArray(list) || !list.every((word) => typeof word === "string")) {
      throw new DockerfileError("ADD: a JSON array must hold strings only");
    }
    return atLeastTwo({ words: list, json: true });
  }
  return atLeastTwo({ words: trim(rest).split(/[\t\v\f\r ]+/), json: false });
}

function atLeastTwo<T extends { words: string[] }>(parsed: T): T {
  if (parsed.words.length < 2) throw new DockerfileError("ADD requires at least two arguments");
  return parsed;
}

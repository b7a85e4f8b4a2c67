import type { FileEntry } from "#protocol/live.ts";
import { unquoted } from "./unquoted.ts";

/** Type, permissions, mark and number of links; owners, size and time follow. Its parts can be matched in one way only. */
const HEAD = /^([-dlpscb])([-rwxsStT]{9})([.+@]?) +\d+ (.*)$/;
const NAMES = /^("(?:[^"\\]|\\.)*")(?: -> ("(?:[^"\\]|\\.)*"))?$/s;
/** Longer than all that stands before a name. */
const HEAD_CHARACTERS = 1024;

/**
 * The entries of \`ls -l\` or \`ls -lR\` in C's quotes; pure over its lines. What it has no word for is left out: parts
 * that nobody may look at.
 */
export class Listing {
  readonly #recursive: boolean;
  #directory: string | undefined;

  constructor(recursive: boolean) {
    this.#recursive = recursive;
  }

  entryOf(line: string): FileEntry | undefined {
    if (this.#recursive && line.startsWith('"') && line.endsWith('":')) {
      this.#directory = unquoted(line.slice(0, -1));
      return undefined;
    }
    const begin = line.slice(0, HEAD_CHARACTERS).indexOf('"');
    const head = begin < 0 ? null : HEAD.exec(line.slice(0, begin));
    const names = head && NAMES.exec(line.slice(begin));
    if (!head || !names) return undefined;
    const [, type, bits, mark, rest = ""] = head;
    const [, quoted = "", target] = names;
    const facts = factsOf(rest);
    if (!facts) return undefined;
    const { owners, size, time } = facts;
    const [owner = "", group = ""] = ownersOf(owners);
    return {
      name: this.#nameOf(unquoted(quoted)),
      entryType: type as FileEntry["entryType"],
      ...(target !== undefined && { linkTarget: unquoted(target) }),
      size,
      modificationTime: time,
      permissions: `${bits}${mark === "+" ? "+" : ""}`,
      owner,
      group,
    };
  }

  #nameOf(name: string): string {
    const directory = this.#directory;
    if (directory === undefined) return name;
    return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
  }
}

/** Two names in columns; blanks within them cannot be told from those between. */
function ownersOf(text: string): string[] {
  const at = text.indexOf(" ");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at).trim()];
}

/**
 * Owners, size and time, from the end: a program in place of `ls` may print anything, which must not take longer than
 * it is long.
 */
function factsOf(text: string): { owners: string; size: number; time: number } | undefined {
  const words = text.split(" ").filter((word) => word !== "");
  const [time = "", size = ""] = [words.pop(), words.pop()];
  // a device has two numbers in place of a size
  const isDevice = /^\d+,$/.test(words.at(-1) ?? "");
  if (isDevice) words.pop();
  // a file's size may have 19 digits; above 2^53 it is rounded
  if (!/^-?\d{1,15}$/.test(time) || !/^\d{1,19}$/.test(size)) return undefined;
  return { owners: words.join(" "), size: isDevice ? 0 : Number(size), time: Number(time) };
}

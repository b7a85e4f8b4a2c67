import type { FileEntry } from "#protocol/live.ts";
import { unquoted } from "./unquoted.ts";

const ENTRY =
  /^([-dlpscb])([-rwxsStT]{9})([.+@]?) +\d+ (.*?) +(?:(\d+)|\d+, +\d+) +(-?\d+) ("(?:[^"\\]|\\.)*")(?: -> ("(?:[^"\\]|\\.)*"))?$/s;

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
    const found = ENTRY.exec(line);
    if (!found) return undefined;
    const [, type, bits, mark, owners = "", size = "0", time, quoted = "", target] = found;
    const [owner = "", group = ""] = ownersOf(owners);
    return {
      name: this.#nameOf(unquoted(quoted)),
      entryType: type as FileEntry["entryType"],
      ...(target !== undefined && { linkTarget: unquoted(target) }),
      size: Number(size),
      modificationTime: Number(time),
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

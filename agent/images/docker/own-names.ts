import { createHash } from "node:crypto";

/** Names in the engine that only an agent gives: of unfinished work, and marks. No user's image may have one. */
const PRIVATE = /^perigee-(?:tmp|own)-[0-9a-f]{16}[/:]/;
const MARK = /^perigee-own-[0-9a-f]{16}:([0-9a-f]{64})$/;

/** Is this a name that agents keep for themselves? */
export function isPrivateName(name: string): boolean {
  return PRIVATE.test(name);
}

/** Begins the temporary names of one agent. */
export function temporaryPrefix(instance: string): string {
  return `perigee-tmp-${sha256(instance).slice(0, 16)}`;
}

/**
 * Marks of images that carry no label of the agent's: a second name that says "`name` is a user's". It outlives the
 * agent's record. `home` is what stays the same over the agent's lives, and differs from other agents' on the engine.
 */
export class OwnMarks {
  readonly #prefix: string;

  constructor(home: string) {
    this.#prefix = `perigee-own-${sha256(home).slice(0, 16)}`;
  }

  /** The mark of the image that is called `name` in the engine, for example `ada-tool:latest`. */
  of(name: string): string {
    return `${this.#prefix}:${sha256(name)}`;
  }

  /** Is it a mark that this agent made, in this life or an earlier one? */
  isOurs(name: string): boolean {
    return name.startsWith(`${this.#prefix}:`);
  }
}

/** The names of which no mark, whosever it is, says that they are a user's. */
export function unmarked(names: readonly string[]): string[] {
  const marked = new Set(names.map((name) => MARK.exec(name)?.[1]));
  return names.filter((name) => !isPrivateName(name) && !marked.has(sha256(name)));
}

/** Does `mark` say that the image called `name` is a user's, whichever agent made it? */
export function isMarkOf(name: string, mark: string): boolean {
  return MARK.exec(mark)?.[1] === sha256(name);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

import { posix } from "node:path";

/** Everything in the working directory but names that begin with a dot. */
const ALL = "./*";

/**
 * What a list of paths to be removed means; pure. Paths are literal after `.` and `..` are folded: one that then
 * names no entry of a directory removes nothing.
 * @returns whether `./*` is among them, and the others, each with a NUL behind it
 */
export function removalsOf(paths: readonly string[]): { all: boolean; list: Buffer } {
  const literal = paths.flatMap((path) => {
    if (path === "" || path === ALL || path.includes("\0")) return [];
    const folded = posix.normalize(path).replace(/\/+$/, "");
    return /^(?:\.|(?:\.\.\/)*\.\.)?$/.test(folded) ? [] : [folded];
  });
  return {
    all: paths.includes(ALL),
    list: Buffer.from(literal.map((path) => `${path}\0`).join("")),
  };
}

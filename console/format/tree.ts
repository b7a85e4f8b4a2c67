import type { Entry } from "../api/types.ts";

/** A line of the tree: an entry that is in sight, as deep as it lies. */
export type TreeRow = { entry: Entry; path: string; depth: number; open: boolean };

/** The rows in sight of a tree, of which the directories in `open` are unfolded; directories first, by name. */
export function treeRows(entries: readonly Entry[], open: ReadonlySet<string>): TreeRow[] {
  const rows: TreeRow[] = [];
  const walk = (some: readonly Entry[], prefix: string, depth: number) => {
    for (const entry of some.toSorted(byKindAndName)) {
      const path = `${prefix}${entry.name}`;
      const unfolded = entry.type === "directory" && open.has(path);
      rows.push({ entry, path, depth, open: unfolded });
      if (unfolded) walk(entry.contents ?? [], `${path}/`, depth + 1);
    }
  };
  walk(entries, "", 0);
  return rows;
}

/** Paths of all files. */
export function filePaths(entries: readonly Entry[], prefix = ""): string[] {
  return entries.flatMap((entry) =>
    entry.type === "directory"
      ? filePaths(entry.contents ?? [], `${prefix}${entry.name}/`)
      : [`${prefix}${entry.name}`],
  );
}

/** Paths of all directories. */
export function directoryPaths(entries: readonly Entry[], prefix = ""): string[] {
  return entries.flatMap((entry) => {
    if (entry.type !== "directory") return [];
    const path = `${prefix}${entry.name}`;
    return [path, ...directoryPaths(entry.contents ?? [], `${path}/`)];
  });
}

function byKindAndName(a: Entry, b: Entry): number {
  const kind = Number(b.type === "directory") - Number(a.type === "directory");
  return kind || (a.name < b.name ? -1 : 1);
}

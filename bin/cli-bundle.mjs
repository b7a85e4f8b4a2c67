// Where the bundle of the command is kept, and whether it still is what the sources say. Every start of the
// command runs this: plain JavaScript, and of Node only what is loaded anyway.

const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");
const { join } = process.getBuiltinModule("node:path");

/** Below the root of a tree; `npm ci` empties it. */
export const CLI_CACHE = "node_modules/.cache/perigee";
/** Says which bundle is the current one, and which files it was made from: `{key, inputs: [{path, size}]}`. */
export const MANIFEST = "manifest.json";
/** In the folder of a bundle, which is called by its key: its entry, and its inputs one after the other. */
export const BUNDLE_ENTRY = "perigee.mjs";
export const BUNDLE_INPUTS = "inputs";

/** What the manifest in `cache` says, undefined when there is none that can be read. */
export function currentBundle(cache) {
  try {
    return JSON.parse(readFileSync(join(cache, MANIFEST), "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * The entry of the bundle that was made from the files of this tree as they are now, undefined when there is
 * none. Contents are compared, not times: a copy, a checkout or a clock that goes back cannot deceive it.
 */
export function freshBundle(root) {
  const cache = join(root, CLI_CACHE);
  const current = currentBundle(cache);
  if (!current) return undefined;
  try {
    const folder = join(cache, current.key);
    const compiled = readFileSync(join(folder, BUNDLE_INPUTS));
    let at = 0;
    for (const { path, size } of current.inputs) {
      const now = readFileSync(join(root, path));
      if (now.length !== size || compiled.compare(now, 0, size, at, at + size) !== 0) return undefined;
      at += size;
    }
    const entry = join(folder, BUNDLE_ENTRY);
    return at === compiled.length && existsSync(entry) ? entry : undefined;
  } catch {
    return undefined;
  }
}

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { bundle, PROGRAMS } from "../../scripts/build.ts";
import { COMPILED } from "./compile-cache.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const KEPT = join(ROOT, "node_modules/.cache/perigee-test-programs");
/** A process that was started from an earlier bundle may still load a part of it. */
const UNUSED_MS = 24 * 3600_000;
/** Nothing says when a thing was last taken from the compile cache: a week later it is compiled anew. */
const COMPILED_MS = 7 * 24 * 3600_000;
const MADE = "PERIGEE_TEST_PROGRAMS";

/**
 * The file of a program to start: its bundle where the run's setup has made one ({@link makePrograms}), else its
 * source. Tests start these hundreds of times, and a start from a bundle takes half of the processor time.
 */
export function program(name: "agent" | "server"): string {
  const made = process.env[MADE];
  return made ? join(made, `${name}.mjs`) : join(ROOT, PROGRAMS[name]);
}

/**
 * Bundles the programs of this tree, packages and all, for the tests that start them; for this process and its
 * children. What was made has the name of its content, so that Node's compile cache knows it again.
 */
export async function makePrograms(): Promise<void> {
  mkdirSync(KEPT, { recursive: true });
  const part = mkdtempSync(join(KEPT, "part-"));
  try {
    await bundle(part, { packages: "inside" });
    const hash = createHash("sha256");
    const files = readdirSync(part, { recursive: true, encoding: "utf8", withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.toSorted()) hash.update(readFileSync(file));
    const folder = join(KEPT, hash.digest("hex").slice(0, 32));
    removeOlder(KEPT, UNUSED_MS);
    for (const version of foldersIn(COMPILED)) removeOlder(version, COMPILED_MS);
    publish(part, folder);
    process.env[MADE] = folder;
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

/** Another run may have made the same. */
function publish(part: string, folder: string): void {
  try {
    renameSync(part, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    const now = new Date();
    utimesSync(folder, now, now);
  }
}

function removeOlder(folder: string, ms: number): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - changed > ms) rmSync(path, { recursive: true, force: true });
  }
}

/** Node has one for each of its versions in its compile cache. */
function foldersIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}

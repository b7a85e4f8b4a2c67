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

const ROOT = resolve(import.meta.dirname, "../..");
const KEPT = join(ROOT, "node_modules/.cache/perigee-test-programs");
/** A process that was started from an earlier bundle may still load a part of it. */
const UNUSED_MS = 24 * 3600_000;
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
    for (const file of readdirSync(part).toSorted()) hash.update(readFileSync(join(part, file)));
    const folder = join(KEPT, hash.digest("hex").slice(0, 32));
    removeUnused();
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

function removeUnused(): void {
  for (const name of readdirSync(KEPT)) {
    const path = join(KEPT, name);
    const used = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - used > UNUSED_MS) rmSync(path, { recursive: true, force: true });
  }
}

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type Docker from "dockerode";
import { isEngineError } from "../../../engine/engine-call.ts";
import { RECIPE } from "./recipe.ts";

/** IDs, or names, of the image that machines run in, and of the one with their compilers. */
export type VmImages = { run: string; build: string };

/** The folder with the sources of what runs in machines, and as the first process of their containers. */
export function guestFolder(): string {
  // a bundle has it beside itself (scripts/build.ts)
  return join(import.meta.dirname, import.meta.url.endsWith(".ts") ? "../guest" : "guest");
}

/**
 * Version of everything that the two images are made from, and their names by it: images of another version are not
 * used.
 */
export function vmImageNames(folder = guestFolder()): VmImages & { version: string } {
  const version = versionOf(folder);
  return { version, run: `perigee/vm-run:${version}`, build: `perigee/vm-build:${version}` };
}

/** The two images of this version; undefined unless the engine has both. */
export async function findVmImages(
  docker: Docker,
  names: VmImages = vmImageNames(),
): Promise<VmImages | undefined> {
  const [run, build] = await Promise.all([names.run, names.build].map((name) => idOf(docker, name)));
  return run && build ? { run, build } : undefined;
}

/** The ID of an image by its name; undefined when the engine has none. */
export async function idOf(docker: Docker, name: string): Promise<string | undefined> {
  try {
    return (await docker.getImage(name).inspect()).Id;
  } catch (error) {
    if (isEngineError(error, 404)) return undefined;
    throw error;
  }
}

function versionOf(folder: string): string {
  const hash = createHash("sha256").update(JSON.stringify(RECIPE));
  for (const name of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    if (/\.(?:c|S|ld|h)$|-cc$|-disk$/.test(name))
      hash.update(`\0${name}\0`).update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex").slice(0, 12);
}

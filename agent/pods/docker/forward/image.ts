import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { isEngineError } from "../../../engine/engine-call.ts";
import { IMAGE_LABEL } from "../../../images/image-labels.ts";
import { removeOlder } from "./older-images.ts";
import { PROGRAM } from "./program.ts";

const REPOSITORY = "perigee/forward";

/** This very Node, also when its file was replaced since. */
const NODE = "/proc/self/exe";

/** What an image is made of. */
export type ForwardParts = { tag: string; libraries: ReadonlyMap<string, string>; command: string[] };

/** Of this very process. `tag` names the program and what it needs, `command` are the words that start it. */
export function forwardParts(): ForwardParts {
  const { libraries, loader } = linkedWith(readFileSync("/proc/self/maps", "utf8"));
  const words = ["/node", "/program.cjs"];
  const command = loader === undefined ? words : [`/lib/${loader}`, "--library-path", "/lib", ...words];
  const tag = createHash("sha256")
    .update(JSON.stringify([process.version, process.arch, [...libraries.keys()], PROGRAM]))
    .digest("hex")
    .slice(0, 12);
  return { tag, libraries, command };
}

/**
 * The image that forwarders run in: this very Node, what it is linked with, and the program, all from this machine.
 * Made if it is missing; those of earlier versions go. It belongs to no user and comes from no registry. @returns its ID
 */
export async function forwardImage(docker: Docker, { tag, libraries }: ForwardParts): Promise<string> {
  const id = (await idOf(docker, `${REPOSITORY}:${tag}`)) ?? (await make(docker, tag, libraries));
  // no run waits for it, and none fails by it: the next process tries again
  void removeOlder(docker, REPOSITORY, tag).catch(() => undefined);
  return id;
}

/** Libraries that a process has loaded, by the names that programs ask for, and its loader. Pure. */
export function linkedWith(maps: string): { libraries: Map<string, string>; loader: string | undefined } {
  const libraries = new Map<string, string>();
  for (const line of maps.split("\n")) {
    // an update of the system puts another file in the place of one that is in use
    const path = line.slice(line.indexOf("/")).replace(/ \(deleted\)$/, "");
    const [name] = /^.*?\.so(?:\.\d+)?/.exec(basename(path)) ?? [];
    if (line.includes("/") && name !== undefined) libraries.set(name, path);
  }
  return { libraries, loader: [...libraries.keys()].find((name) => name.startsWith("ld-")) };
}

async function idOf(docker: Docker, name: string): Promise<string | undefined> {
  try {
    return (await docker.getImage(name).inspect()).Id;
  } catch (error) {
    if (isEngineError(error, 404)) return undefined;
    throw error;
  }
}

async function make(docker: Docker, tag: string, libraries: ReadonlyMap<string, string>): Promise<string> {
  const files: Packed[] = [];
  for (const [name, loaded] of libraries) {
    // a newer one is found by the name that programs ask for
    const path = existsSync(loaded) ? loaded : join(dirname(loaded), name);
    files.push({ name: `lib/${name}`, path, size: statSync(path).size });
  }
  files.push({ name: "node", path: NODE, size: statSync(NODE).size });
  const tar = pack();
  // the promises below report what failed
  tar.on("error", () => undefined);
  const options = { repo: REPOSITORY, tag, changes: [`LABEL ${IMAGE_LABEL}=forward`] };
  const imported = async () => {
    const answer = await docker.importImage(tar as unknown as NodeJS.ReadableStream, options);
    for await (const _ of answer as AsyncIterable<Buffer>);
  };
  try {
    await Promise.all([fill(tar, files), imported()]);
  } finally {
    tar.destroy();
  }
  const id = await idOf(docker, `${REPOSITORY}:${tag}`);
  if (id === undefined) throw new Error(`the engine did not import ${REPOSITORY}`);
  return id;
}

type Packed = { name: string; path: string; size: number };

async function fill(tar: ReturnType<typeof pack>, files: readonly Packed[]): Promise<void> {
  tar.entry({ name: "program.cjs" }, PROGRAM);
  for (const { name, path, size } of files) {
    await pipeline(createReadStream(path), tar.entry({ name, mode: 0o755, size }));
  }
  tar.finalize();
}

import { createHash } from "node:crypto";
import { createReadStream, readFileSync, realpathSync, statSync } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { isEngineError } from "../../../engine/engine-call.ts";
import { IMAGE_LABEL } from "../../../images/image-labels.ts";
import { PROGRAM } from "./program.ts";

const REPOSITORY = "perigee/forward";

/** ID of the image, and the words that start the program in it. */
export type ForwardImage = { id: string; command: string[] };

/**
 * The image that forwarders run in: this very Node, what it is linked with, and the program, all from this machine.
 * Made where it is not there; nobody's image, and no public one.
 */
export async function forwardImage(docker: Docker): Promise<ForwardImage> {
  const { libraries, loader } = linkedWith(readFileSync("/proc/self/maps", "utf8"));
  const words = ["/node", "/program.cjs"];
  const command = loader === undefined ? words : [`/lib/${loader}`, "--library-path", "/lib", ...words];
  const tag = createHash("sha256")
    .update(JSON.stringify([process.version, process.arch, [...libraries.keys()], PROGRAM]))
    .digest("hex")
    .slice(0, 12);
  const name = `${REPOSITORY}:${tag}`;
  const id = (await idOf(docker, name)) ?? (await make(docker, tag, libraries));
  return { id, command };
}

/** Libraries that a process has loaded, by the names that programs ask for, and its loader. Pure. */
export function linkedWith(maps: string): { libraries: Map<string, string>; loader: string | undefined } {
  const libraries = new Map<string, string>();
  for (const line of maps.split("\n")) {
    const path = line.slice(line.indexOf("/"));
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
  const tar = pack();
  const filled = fill(tar, libraries);
  const options = { repo: REPOSITORY, tag, changes: [`LABEL ${IMAGE_LABEL}=forward`] };
  const answer = await docker.importImage(tar as unknown as NodeJS.ReadableStream, options);
  for await (const _ of answer as AsyncIterable<Buffer>);
  await filled;
  const id = await idOf(docker, `${REPOSITORY}:${tag}`);
  if (id === undefined) throw new Error(`the engine did not import ${REPOSITORY}`);
  return id;
}

async function fill(tar: ReturnType<typeof pack>, libraries: ReadonlyMap<string, string>): Promise<void> {
  try {
    tar.entry({ name: "program.cjs" }, PROGRAM);
    const files: [name: string, path: string][] = [["node", realpathSync(process.execPath)]];
    for (const [name, path] of libraries) files.push([`lib/${name}`, path]);
    for (const [name, path] of files) {
      const entry = tar.entry({ name, mode: 0o755, size: statSync(path).size });
      await pipeline(createReadStream(path), entry);
    }
    tar.finalize();
  } catch (error) {
    tar.destroy(error as Error);
    throw error;
  }
}

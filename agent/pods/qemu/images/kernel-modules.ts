import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, zstdDecompressSync } from "node:zlib";

const MOST_BYTES = 32 * 1024 * 1024;

/** How kernels' packages keep modules: the file's ending, and what makes it plain. */
const KEPT: Record<string, (path: string) => Buffer | Promise<Buffer>> = {
  "": (path) => readFileSync(path),
  ".gz": (path) => gunzipSync(readFileSync(path)),
  ".zst": (path) => zstdDecompressSync(readFileSync(path)),
  ".xz": (path) => unpackXz(path),
};

/** The directory of all modules in the unpacked package of a kernel. */
function modulesOf(root: string): string {
  const base = join(root, "lib/modules");
  const [version] = readdirSync(base);
  if (version === undefined) throw new Error("there are no modules in the kernel's package");
  return join(base, version);
}

/** Has the kernel this module inside? @param name its path without `.ko`, for example `fs/fat/vfat` */
export function isBuiltIn(root: string, name: string): boolean {
  const list = join(modulesOf(root), "modules.builtin");
  return existsSync(list) && readFileSync(list, "utf8").split("\n").includes(`kernel/${name}.ko`);
}

/** A module as the kernel loads it. @throws Error when it is not there, or cannot be unpacked */
export async function readModule(root: string, name: string): Promise<Buffer> {
  const file = join(modulesOf(root), "kernel", `${name}.ko`);
  for (const [ending, read] of Object.entries(KEPT)) {
    if (existsSync(file + ending)) return read(file + ending);
  }
  throw new Error(`the kernel has no module ${name}`);
}

async function unpackXz(path: string): Promise<Buffer> {
  try {
    const options = { encoding: "buffer", maxBuffer: MOST_BYTES } as const;
    return (await promisify(execFile)("xz", ["-dc", path], options)).stdout;
  } catch (cause) {
    throw new Error("this kernel's modules are compressed, and unpacking them needs xz", { cause });
  }
}

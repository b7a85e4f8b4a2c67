import fs from "node:fs";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Directory } from "../files/directory.ts";
import { isMissing, openBeneath } from "../files/open-beneath.ts";
import type { Sources } from "./compiler.ts";
import { readManifest } from "./manifest.ts";
import { splitWords } from "./split-words.ts";

const MANIFEST_BYTES = 64 * 1024;

/** Unpacked sources as compilers see them. @throws PerigeeError SOURCES_REFUSED */
export function openSources(
  directory: Directory,
  { args, mountPoints }: { args: string; mountPoints: readonly string[] },
): Sources {
  const read = (path: string) => readStart(directory, path, LIMITS.dockerfileBytes + 1);
  const manifest = read("manifest.yaml") ?? read("manifest.yml");
  if (manifest && manifest.length > MANIFEST_BYTES) {
    throw new PerigeeError("SOURCES_REFUSED", `manifest.yaml: is larger than ${MANIFEST_BYTES} bytes`);
  }
  return {
    manifest: readManifest(manifest?.toString()),
    names: namesIn(directory),
    namesIn(path) {
      const opened = opening(directory, path);
      if (opened?.kind !== "directory") return [];
      using inner = opened.directory;
      return namesIn(inner);
    },
    read,
    isExecutable: (path) => {
      const { mode } = directory.lstat(path);
      return (mode & fs.constants.S_IFMT) === fs.constants.S_IFREG && (mode & 0o111) !== 0;
    },
    args: splitWords(args),
    mountPoints,
  };
}

function namesIn(directory: Directory): string[] {
  return directory.entries().map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
}

/** The first bytes of a regular file; undefined when there is none, or a link leads to it. */
function readStart(directory: Directory, path: string, maxBytes: number): Buffer | undefined {
  const opened = opening(directory, path);
  if (opened?.kind === "directory") opened.directory.close();
  if (opened?.kind !== "file") return undefined;
  try {
    const bytes = Buffer.alloc(Math.min(maxBytes, Number(opened.stats.size)));
    return bytes.subarray(0, fs.readSync(opened.fd, bytes, 0, bytes.length, 0));
  } finally {
    fs.closeSync(opened.fd);
  }
}

/** undefined when nothing is there, or a link leads to it. */
function opening(directory: Directory, path: string): ReturnType<typeof openBeneath> | undefined {
  try {
    return openBeneath(directory, path);
  } catch (error) {
    if (isMissing(error) || (error instanceof PerigeeError && error.code === "ILLEGAL_PATH"))
      return undefined;
    throw error;
  }
}

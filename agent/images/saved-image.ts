import { posix } from "node:path";
import type { ArchiveFile } from "./archive-stream.ts";
import { parseReference, type Reference } from "./reference.ts";
import { type TarEntry, TarError } from "./tar-parser.ts";

const JSON_BYTES = 4 * 1024 * 1024;
/** more than any engine can stack */
const MAX_LAYERS = 127;
const MAX_LINKS = 8;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** One image of a `docker save` archive, read and checked: what of it goes to the engine. */
export type SavedImage = {
  /** bytes of the config: their SHA-256 is the image's ID */
  config: Buffer;
  /** entry in the archive → the diff ID that its content, unpacked, must have */
  layers: Map<string, string>;
  /** diff IDs from the lowest layer up */
  diffIds: string[];
};

export type Wanted = {
  /** Is this the tag that the archive must hold? */
  matches(tag: Reference): boolean;
  /** the tag in words */
  expected: string;
  architectures: readonly string[];
};

/**
 * Reads manifest and config of an archive with one image.
 * @throws TarError saying what is wrong, the signal's reason
 */
export async function readSavedImage(
  archive: ArchiveFile,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<SavedImage> {
  const { entries, content } = await index(archive, signal);
  if (!content) throw new TarError("the archive holds no manifest.json");
  const manifest = readManifest(content, wanted);
  const configName = resolveFile(entries, manifest.config);
  const config = await readEntry(archive, configName, signal);
  const diffIds = readConfig(config, wanted);
  if (diffIds.length !== manifest.layers.length) {
    throw new TarError("the manifest and the config do not have the same number of layers");
  }
  const layers = new Map<string, string>();
  for (const [i, path] of manifest.layers.entries()) {
    const name = resolveFile(entries, path);
    const before = layers.get(name);
    if (before !== undefined && before !== diffIds[i]) throw new TarError(`layer ${i} has two contents`);
    layers.set(name, diffIds[i]!);
  }
  return { config, layers, diffIds };
}

/** Name of an entry in one form: relative, no `.` and `..`. @throws TarError for names that lead out */
export function entryPath(name: string): string {
  const path = posix.normalize(name).replace(/\/+$/, "");
  if (name === "" || posix.isAbsolute(name) || path === ".." || path.startsWith("../")) {
    throw new TarError(`illegal name in the archive: ${JSON.stringify(name.slice(0, 200))}`);
  }
  return path;
}

type Index = { entries: Map<string, TarEntry>; content: Buffer | undefined };

async function index(archive: ArchiveFile, signal: AbortSignal): Promise<Index> {
  const entries = new Map<string, TarEntry>();
  let manifest: Buffer[] | undefined;
  let current: Buffer[] | undefined;
  for await (const event of archive.read(signal)) {
    if ("data" in event) {
      current?.push(event.data);
      continue;
    }
    const { entry } = event;
    const path = entryPath(entry.name);
    current = undefined;
    if (entry.type === "other") throw new TarError(`${path} is neither a file nor a directory nor a link`);
    if (entry.type === "directory") {
      if (entries.get(path)?.type !== undefined && entries.get(path)?.type !== "directory")
        throw duplicate(path);
      entries.set(path, entry);
      continue;
    }
    if (entries.has(path)) throw duplicate(path);
    if (entry.type !== "file") targetOf(path, entry);
    entries.set(path, entry);
    if (path === "manifest.json") {
      if (entry.type !== "file" || entry.size > JSON_BYTES)
        throw new TarError("manifest.json is not readable");
      manifest = [];
      current = manifest;
    }
  }
  return { entries, content: manifest && Buffer.concat(manifest) };
}

async function readEntry(archive: ArchiveFile, name: string, signal: AbortSignal): Promise<Buffer> {
  let chunks: Buffer[] | undefined;
  for await (const event of archive.read(signal)) {
    if ("data" in event) {
      chunks?.push(event.data);
      continue;
    }
    if (chunks) break;
    if (entryPath(event.entry.name) !== name) continue;
    if (event.entry.type !== "file" || event.entry.size > JSON_BYTES) {
      throw new TarError("the image's config is not readable");
    }
    chunks = [];
  }
  if (!chunks) throw new TarError("the archive changed while it was read");
  return Buffer.concat(chunks);
}

/** Follows links from entry to entry, within the archive only. */
function resolveFile(entries: ReadonlyMap<string, TarEntry>, path: string): string {
  let at = entryPath(path);
  for (let links = 0; links <= MAX_LINKS; links++) {
    const entry = entries.get(at);
    if (!entry || entry.type === "directory") break;
    if (entry.type === "file") return at;
    at = targetOf(at, entry);
  }
  throw new TarError(`the archive holds no file ${JSON.stringify(path.slice(0, 200))}`);
}

function targetOf(path: string, { type, linkname }: TarEntry): string {
  if (posix.isAbsolute(linkname)) throw new TarError(`${path}: a link out of the archive`);
  return entryPath(type === "link" ? linkname : posix.join(posix.dirname(path), linkname));
}

function readManifest(bytes: Buffer, { matches, expected }: Wanted): { config: string; layers: string[] } {
  const list = parse(bytes, "manifest.json");
  if (!Array.isArray(list) || list.length !== 1) {
    throw new TarError("the archive must hold one image and no further one");
  }
  const { Config, RepoTags, Layers } = (list[0] ?? {}) as Record<string, unknown>;
  if (typeof Config !== "string" || !isStrings(Layers) || Layers.length > MAX_LAYERS) {
    throw new TarError("manifest.json does not describe an image");
  }
  const tags = isStrings(RepoTags) ? RepoTags : [];
  const tag = tags.length === 1 ? parseReference(tags[0]!) : undefined;
  if (!tag || !matches(tag)) {
    const found = tags.slice(0, 10).map((name) => JSON.stringify(name.slice(0, 200)));
    throw new TarError(
      `the archive must hold an image tagged ${expected} and no further tag; it holds ${found.join(", ") || "none"}`,
    );
  }
  return { config: Config, layers: Layers };
}

function readConfig(bytes: Buffer, { architectures }: Wanted): string[] {
  const { os, architecture, rootfs } = (parse(bytes, "the image's config") ?? {}) as Record<string, unknown>;
  const { type, diff_ids: diffIds } = (rootfs ?? {}) as Record<string, unknown>;
  if (type !== "layers" || !isStrings(diffIds) || !diffIds.every((id) => DIGEST.test(id))) {
    throw new TarError("the image's config names no layers");
  }
  if (os !== "linux" || typeof architecture !== "string" || !architectures.includes(architecture)) {
    throw new TarError(
      `the image is for ${String(os).slice(0, 40)}/${String(architecture).slice(0, 40)}, the nodes are linux/${architectures.join(", linux/")}`,
    );
  }
  return diffIds;
}

function parse(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new TarError(`${what} is not JSON`);
  }
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function duplicate(path: string): TarError {
  return new TarError(`${path} is in the archive twice`);
}

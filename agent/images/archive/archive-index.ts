import { posix } from "node:path";
import { LIMITS } from "#protocol/limits.ts";
import { type TarEntry, TarError } from "../../files/tar-parser.ts";
import type { ArchiveFile } from "./archive-stream.ts";

const MAX_LINKS = 8;
/** what tells an image's archive from others, and is read with the index */
const DESCRIPTIONS = ["manifest.json", "index.json"];

/** An entry, its position in the archive, from 0, and where in the tar its content begins. */
export type Located = TarEntry & { n: number; start: number };

/**
 * What an archive holds, by path. Of several entries with one path the last counts, as for whoever unpacks it
 * (the engine does); only what describes the image may not be there twice.
 */
export class ArchiveIndex {
  /** by {@link entryPath} */
  readonly entries = new Map<string, Located>();
  /** contents of `manifest.json` and `index.json` */
  readonly descriptions = new Map<string, Buffer>();
  readonly #archive: ArchiveFile;
  readonly #signal: AbortSignal;

  constructor(archive: ArchiveFile, signal: AbortSignal) {
    this.#archive = archive;
    this.#signal = signal;
  }

  /** Reads the archive once. What was seen until it throws stays in `entries`. @throws TarError, the signal's reason */
  async fill(): Promise<void> {
    let current: Buffer[] | undefined;
    let n = 0;
    let name = "";
    const finish = () => {
      if (current) this.descriptions.set(name, Buffer.concat(current));
      current = undefined;
    };
    for await (const event of this.#archive.read(this.#signal, () => current === undefined)) {
      if ("data" in event) {
        current?.push(event.data);
        continue;
      }
      finish();
      name = this.#add({ ...event.entry, n: n++, start: event.start });
      if (DESCRIPTIONS.includes(name)) {
        assertText(event.entry, name);
        current = [];
      }
    }
    finish();
  }

  #add(entry: Located): string {
    const path = entryPath(entry.name);
    const before = this.entries.get(path);
    this.entries.set(path, entry);
    if (entry.type === "other") throw new TarError(`${path} is neither a file nor a directory nor a link`);
    if (entry.type === "symlink" || entry.type === "link") targetOf(path, entry);
    if (before && before.type !== "directory" && DESCRIPTIONS.includes(path)) {
      throw new TarError(`${path} is in the archive twice`);
    }
    return path;
  }

  /** The file behind a path: links are followed from entry to entry, within the archive only. @throws TarError */
  file(path: string): Located {
    let at = entryPath(path);
    for (let links = 0; links <= MAX_LINKS; links++) {
      const entry = this.entries.get(at);
      if (!entry || entry.type === "directory") break;
      if (entry.type === "file") return entry;
      at = targetOf(at, entry);
    }
    throw new TarError(`the archive holds no file ${JSON.stringify(path.slice(0, 200))}`);
  }

  /** Reads a file of JSON from the archive once more. @throws TarError, the signal's reason */
  async read(file: Located, what: string): Promise<Buffer> {
    let chunks: Buffer[] | undefined;
    let n = 0;
    for await (const event of this.#archive.read(this.#signal, () => chunks === undefined)) {
      if ("data" in event) {
        chunks?.push(event.data);
        continue;
      }
      if (chunks) break;
      if (n++ !== file.n) continue;
      if (event.entry.name !== file.name || event.entry.size !== file.size) break;
      assertText(event.entry, what);
      chunks = [];
    }
    if (!chunks) throw new TarError("the archive changed while it was read");
    return Buffer.concat(chunks);
  }
}

/** Name of an entry in one form: relative, no `.` and `..`. @throws TarError for names that lead out */
export function entryPath(name: string): string {
  const path = posix.normalize(name).replace(/\/+$/, "");
  if (name === "" || posix.isAbsolute(name) || path === ".." || path.startsWith("../")) {
    throw new TarError(`illegal name in the archive: ${JSON.stringify(name.slice(0, 200))}`);
  }
  return path;
}

/** @throws TarError */
export function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new TarError(`${what} is not JSON`);
  }
}

function targetOf(path: string, { type, linkname }: TarEntry): string {
  if (posix.isAbsolute(linkname)) throw new TarError(`${path}: a link out of the archive`);
  return entryPath(type === "link" ? linkname : posix.join(posix.dirname(path), linkname));
}

function assertText({ type, size }: TarEntry, what: string): void {
  if (type !== "file" || size > LIMITS.imageConfigBytes) {
    throw new TarError(
      `${what} is not readable: it is no file, or larger than ${LIMITS.imageConfigBytes} bytes`,
    );
  }
}

import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LIMITS } from "#protocol/limits.ts";

type Kept = { key: string; id?: string };

/**
 * What this machine remembers of an upload, so that the same command continues it: the idempotency key that it was
 * opened with and its id, in a file named by a hash of what is uploaded and where to.
 */
export class UploadRecord {
  readonly #path: string;
  #kept: Kept;

  private constructor(path: string, kept: Kept) {
    this.#path = path;
    this.#kept = kept;
  }

  /**
   * @param directory where the command keeps its own files
   * @param what everything that makes two uploads the same: ground, edge, volume, files with their checksums
   */
  static async open(directory: string, what: unknown): Promise<UploadRecord> {
    const name = createHash("sha256").update(JSON.stringify(what)).digest("hex");
    const path = join(directory, "uplinks", `${name}.json`);
    await sweep(dirname(path));
    return new UploadRecord(path, (await read(path)) ?? { key: randomUUID() });
  }

  /** Opens the upload, or finds it, when it was opened before and the answer was lost. */
  get key(): string {
    return this.#kept.key;
  }

  get id(): string | undefined {
    return this.#kept.id;
  }

  /** To be called before the upload is opened, and again with its id. */
  async keep(id?: string): Promise<void> {
    this.#kept = { key: this.#kept.key, ...(id !== undefined && { id }) };
    const beside = `${this.#path}.${process.pid}`;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    await rm(beside, { force: true });
    await writeFile(beside, JSON.stringify(this.#kept), { mode: 0o600, flag: "wx" });
    await rename(beside, this.#path);
  }

  /** Forgets the upload: the next one is new. */
  async forget(): Promise<void> {
    this.#kept = { key: randomUUID() };
    await rm(this.#path, { force: true });
  }
}

async function read(path: string): Promise<Kept | undefined> {
  try {
    const { key, id } = JSON.parse(await readFile(path, "utf8")) as Partial<Kept>;
    if (typeof key !== "string") return undefined;
    return { key, ...(typeof id === "string" && { id }) };
  } catch {
    return undefined;
  }
}

/** Removes records so old that no ground has their upload any more. */
async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    const info = await stat(path).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > LIMITS.partsMs) await rm(path, { force: true });
  }
}

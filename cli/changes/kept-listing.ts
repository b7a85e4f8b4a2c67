import { createHash } from "node:crypto";
import { lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

type Kept = {
  /** what the directory holds, as the edge calls it */
  listing: string;
  /** gone on the edge, and not removed here: paths, as the edge said them */
  gone: string[];
  /** of the directory: another one that took its place holds nothing */
  inode: number;
};

/** What this machine knows of a directory that it keeps as it is on an edge, beside the tokens. */
export class KeptListing {
  readonly #path: string;
  readonly #directory: string;

  /**
   * @param state where the command keeps its own files
   * @param source ground, edge, volume and path that the directory comes from
   */
  constructor(state: string, source: unknown, directory: string) {
    const name = createHash("sha256")
      .update(JSON.stringify([source, directory]))
      .digest("hex");
    this.#path = join(state, "listings", `${name}.json`);
    this.#directory = directory;
  }

  /** Undefined when the directory was not kept so, or is another one by now. */
  async read(): Promise<Omit<Kept, "inode"> | undefined> {
    const info = await lstat(this.#directory).catch(() => undefined);
    try {
      const { listing, gone, inode } = JSON.parse(await readFile(this.#path, "utf8")) as Kept;
      if (!info?.isDirectory() || info.ino !== inode || typeof listing !== "string") return undefined;
      return { listing, gone: Array.isArray(gone) ? gone : [] };
    } catch {
      return undefined;
    }
  }

  async write(listing: string, gone: string[]): Promise<void> {
    const { ino } = await lstat(this.#directory);
    const beside = `${this.#path}.${process.pid}`;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    await rm(beside, { force: true });
    await writeFile(beside, JSON.stringify({ listing, gone, inode: ino }), { mode: 0o600, flag: "wx" });
    await rename(beside, this.#path);
  }
}

import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The name of the one file that each run has. */
export const START_FILE = "start";

/** What machines begin with, as a file for each run: no command line tells arguments and environment. */
export class StartFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Writes a run's file anew, beside one that a machine may be reading. @returns the run's directory */
  async write(run: string, content: Buffer): Promise<string> {
    const directory = join(this.#root, run);
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const part = join(directory, "part");
    await rm(part, { force: true });
    // QEMU's user is nobody: only the container's mount leads to it
    await writeFile(part, content, { mode: 0o444 });
    await rename(part, join(directory, START_FILE));
    return directory;
  }

  async remove(run: string): Promise<void> {
    await rm(join(this.#root, run), { recursive: true, force: true });
  }

  /** The runs that have one. */
  async runs(): Promise<string[]> {
    return readdir(this.#root).catch(() => []);
  }
}

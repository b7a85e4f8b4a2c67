import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Serial } from "#protocol/serial.ts";

/** The name of the one file that each run has. */
export const START_FILE = "start";

/** What machines begin with, as a file for each run: no command line tells arguments and environment. */
export class StartFiles {
  readonly #root: string;
  /** runs that were written since this was made */
  readonly #written = new Set<string>();
  /** one change of a run's at a time */
  readonly #turns = new Serial();

  constructor(root: string) {
    this.#root = root;
  }

  /** Writes a run's file anew, beside one that a machine may be reading. @returns the run's directory */
  async write(run: string, content: Buffer): Promise<string> {
    this.#written.add(run);
    const directory = join(this.#root, run);
    await this.#turns.run(run, async () => {
      await mkdir(directory, { recursive: true, mode: 0o755 });
      const part = join(directory, "part");
      await rm(part, { force: true });
      // readable for all, as QEMU runs as `nobody`; other containers do not mount it
      await writeFile(part, content, { mode: 0o444 });
      await rename(part, join(directory, START_FILE));
    });
    return directory;
  }

  async remove(run: string): Promise<void> {
    this.#written.delete(run);
    await this.#turns.run(run, () => this.#remove(run));
  }

  /**
   * Removes what is left of runs that are not known; not of one that was written since this was made, whose machine may
   * only be about to be there.
   */
  async sweep(known: () => Promise<ReadonlySet<string>>): Promise<void> {
    const runs = await readdir(this.#root).catch(() => []);
    if (runs.length === 0) return;
    const stay = await known();
    for (const run of runs) {
      if (stay.has(run)) continue;
      await this.#turns.run(run, async () => {
        if (!this.#written.has(run)) await this.#remove(run);
      });
    }
  }

  #remove(run: string): Promise<void> {
    return rm(join(this.#root, run), { recursive: true, force: true });
  }
}

import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "#protocol/limits.ts";
import { KeptAhead } from "./kept-ahead.ts";

export type AheadStoreOptions = {
  /** each command with something kept has a directory there */
  directory: string;
  /** bytes that may be written now */
  room(): number;
  /** ms since 1970 (default: the clock) */
  now?: () => number;
};

/** What has arrived ahead of gaps, of all commands whose content is being fetched ({@link KeptAhead}). */
export class AheadStore {
  readonly #options: AheadStoreOptions;

  constructor(options: AheadStoreOptions) {
    this.#options = options;
  }

  /** Has an earlier life, or an earlier try, kept something of object `n`? */
  has(command: string, n: number): boolean {
    return existsSync(this.#pathOf(command, n));
  }

  /** Opens it, to go on with it; undefined where the disk has no room for more. */
  async open(
    command: string,
    n: number,
    of: { size: number; ahead: number },
  ): Promise<KeptAhead | undefined> {
    const path = this.#pathOf(command, n);
    if (!this.has(command, n) && this.#options.room() < 2 * of.ahead) return undefined;
    return KeptAhead.open({ path, ...of });
  }

  /** Nothing that was kept of object `n` is to be used. */
  discard(command: string, n: number): void {
    rmSync(this.#pathOf(command, n), { force: true });
  }

  /** The command has ended: nothing of it is needed any more. */
  forget(command: string): void {
    rmSync(join(this.#options.directory, command), { recursive: true, force: true });
  }

  /** Removes what is too old to go on with. To be called before anything is fetched. */
  sweep(): void {
    const { directory, now = Date.now } = this.#options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const command of readdirSync(directory)) {
      if (statSync(join(directory, command)).mtimeMs < now() - LIMITS.transferMs) this.forget(command);
    }
  }

  #pathOf(command: string, n: number): string {
    return join(this.#options.directory, command, String(n));
  }
}

import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CliFailure } from "./failure.ts";

export type Tokens = { username: string; access: string; refresh: string };

/**
 * The tokens of each ground, by its URL, in one file that only its owner can read (0600, in a directory 0700).
 * A change is written to a temporary file and renamed, so that a reader never sees an incomplete file.
 */
export class Credentials {
  readonly path: string;

  constructor(path = defaultPath()) {
    this.path = path;
  }

  async get(url: string): Promise<Tokens | undefined> {
    return (await this.#read())[url];
  }

  async set(url: string, tokens: Tokens): Promise<void> {
    await this.#write({ ...(await this.#read()), [url]: tokens });
  }

  /** Returns whether there was something to remove. */
  async remove(url: string): Promise<boolean> {
    const { [url]: removed, ...rest } = await this.#read();
    if (removed) await this.#write(rest);
    return removed !== undefined;
  }

  /** Removes every log-in; returns how many there were. */
  async clear(): Promise<number> {
    const count = Object.keys(await this.#read()).length;
    await rm(this.path, { force: true });
    return count;
  }

  async #read(): Promise<Record<string, Tokens>> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
      throw unusable(this.path, (error as Error).message, error);
    }
    try {
      const parsed = JSON.parse(text) as Record<string, Tokens>;
      if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed;
    } catch {}
    throw unusable(this.path, "it is not JSON");
  }

  async #write(all: Record<string, Tokens>): Promise<void> {
    const directory = dirname(this.path);
    const beside = `${this.path}.${crypto.randomUUID()}`;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFile(beside, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600, flag: "wx" });
      await chmod(beside, 0o600);
      await rename(beside, this.path);
    } catch (error) {
      await rm(beside, { force: true });
      throw unusable(this.path, (error as Error).message, error);
    }
  }
}

function defaultPath(): string {
  const config = process.env.XDG_CONFIG_HOME || join(homedir(), ".config");
  return join(config, "perigee", "credentials.json");
}

function unusable(path: string, why: string, cause?: unknown): CliFailure {
  return new CliFailure("LOCAL_FILE", `cannot use ${path}: ${why}`, {
    hint: "put it right or remove it, then log in again: perigee login",
    cause,
  });
}

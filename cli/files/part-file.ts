import { constants, type FileHandle, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CliFailure } from "../failure.ts";

/** What a partial file belongs to: the download of another source or version must not continue it. */
export type PartSource = { url: string; edge?: string; pod?: string; volume?: string; path: string };
type Note = PartSource & { etag: string; pid: number };

/**
 * A file that is being received: `.NAME.perigee-part` beside the target, with a note of what it belongs to.
 * It is renamed when it is complete, and kept when the transfer is cut, so that the next run continues it.
 */
export class PartFile {
  readonly target: string;
  readonly path: string;
  /** bytes received so far */
  offset: number;
  /** version (ETag) of those bytes; "" when not known */
  etag: string;
  readonly #source: PartSource;
  readonly #handle: FileHandle;
  #closed = false;

  private constructor(target: string, source: PartSource, handle: FileHandle, offset: number, etag: string) {
    this.target = target;
    this.path = partPath(target);
    this.#source = source;
    this.#handle = handle;
    this.offset = offset;
    this.etag = etag;
  }

  /** Opens the partial file of `target`. Bytes of an earlier run are kept if they came from the same source. */
  static async open(target: string, source: PartSource): Promise<PartFile> {
    const path = partPath(target);
    const note = await readNote(path);
    if (note && note.pid !== process.pid && isAlive(note.pid)) {
      throw new CliFailure("LOCAL_FILE", `another perigee (process ${note.pid}) is receiving ${target}`, {
        hint: `if that is not so, remove ${notePath(path)}`,
      });
    }
    try {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const handle = await open(path, flags, 0o666);
      const stat = await handle.stat();
      if (!stat.isFile() || stat.nlink > 1) {
        await handle.close();
        throw new Error("it is not a regular file of its own");
      }
      const same = note !== undefined && note.etag !== "" && sameSource(note, source);
      const part = new PartFile(target, source, handle, same ? stat.size : 0, same ? note.etag : "");
      if (!same) await handle.truncate(0);
      await part.#note();
      return part;
    } catch (error) {
      throw new CliFailure("LOCAL_FILE", `cannot write ${path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** The bytes that follow are of version `etag`. */
  async begin(etag: string): Promise<void> {
    if (etag === this.etag) return;
    this.etag = etag;
    await this.#note();
  }

  /** Starts again from the first byte. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.offset = 0;
  }

  async write(chunk: Buffer): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, this.offset);
      done += bytesWritten;
      this.offset += bytesWritten;
    }
  }

  /** The file is complete: renames it to `target`. @throws CliFailure LOCAL_FILE; it can still be kept then */
  async finish(target = this.target): Promise<void> {
    try {
      await this.#handle.truncate(this.offset);
      await this.#handle.sync();
      await rename(this.path, target);
    } catch (error) {
      throw new CliFailure("LOCAL_FILE", `cannot write ${target}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    await this.#close();
    await rm(notePath(this.path), { force: true });
  }

  /** The transfer was cut: keeps the file if a later run can continue it. Returns whether it was kept. */
  async leave(): Promise<boolean> {
    await this.#close();
    const useful = this.offset > 0 && this.etag !== "";
    if (useful) await this.#writeNote(0);
    else await this.#remove();
    return useful;
  }

  async discard(): Promise<void> {
    await this.#close();
    await this.#remove();
  }

  async #close(): Promise<void> {
    if (!this.#closed) await this.#handle.close();
    this.#closed = true;
  }

  async #remove(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(notePath(this.path), { force: true });
  }

  #note(): Promise<void> {
    return this.#writeNote(process.pid);
  }

  async #writeNote(pid: number): Promise<void> {
    const beside = `${notePath(this.path)}.${process.pid}`;
    await rm(beside, { force: true });
    await writeFile(beside, JSON.stringify({ ...this.#source, etag: this.etag, pid }), {
      mode: 0o600,
      flag: "wx",
    });
    await rename(beside, notePath(this.path));
  }
}

function partPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.perigee-part`);
}

function notePath(part: string): string {
  return `${part}.json`;
}

async function readNote(part: string): Promise<Note | undefined> {
  try {
    return JSON.parse(await readFile(notePath(part), "utf8")) as Note;
  } catch {
    return undefined;
  }
}

function sameSource(note: Note, source: PartSource): boolean {
  const keys = ["url", "edge", "pod", "volume", "path"] as const;
  return keys.every((key) => note[key] === source[key]);
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

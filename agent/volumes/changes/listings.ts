import fs from "node:fs";
import path from "node:path";
import { LIMITS } from "#protocol/limits.ts";
import { isErrno } from "../../files/directory.ts";
import type { Entries } from "./entries.ts";

/** What one downlink of a directory has sent. */
export type Listing = {
  /** of the directory in the volume */
  path: string;
  /** the listing whose changes were sent; absent: all was sent */
  since?: string;
  /** absent when there were too many */
  entries?: Entries;
};

const ID = /^[0-9A-Za-z]{1,40}$/;

/**
 * Listings of what was sent down, in `<directory>/<user>/<volume>/<id>`: bounded in number, bytes and age. One that is
 * lost costs time only, since then all is sent again. So nothing is fsynced; one that was written in part is no JSON.
 */
export class Listings {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The listing `id` of this volume; undefined when there is none (any more). */
  get(user: string, volume: string, id: string): Listing | undefined {
    const file = this.#fileOf(user, volume, id);
    try {
      if (fs.statSync(file).mtimeMs < Date.now() - LIMITS.listingMs) return undefined;
      const { entries, ...listing } = JSON.parse(fs.readFileSync(file, "utf8"));
      return { ...listing, ...(entries && { entries: new Map(entries) }) };
    } catch (error) {
      if (isErrno(error, "ENOENT") || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /**
   * Keeps a listing; the oldest of the user go for it. One over the bounds is kept without its entries: it is then not
   * compared with any more.
   * @throws ENOSPC
   */
  keep(user: string, volume: string, id: string, listing: Listing): void {
    const file = this.#fileOf(user, volume, id);
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(`${file}~`, this.#textOf(listing), { mode: 0o600 });
    fs.renameSync(`${file}~`, file);
    this.#thinOut(user, file);
  }

  /** Forgets those of a volume that is gone. */
  forget(user: string, volume: string): void {
    fs.rmSync(path.join(this.#directory, user, volume), { recursive: true, force: true });
  }

  #textOf({ entries, ...listing }: Listing): string {
    if (entries && entries.size <= LIMITS.listingEntries) {
      const text = JSON.stringify({ ...listing, entries: [...entries] });
      if (Buffer.byteLength(text) <= LIMITS.listingBytes) return text;
    }
    return JSON.stringify(listing);
  }

  #thinOut(user: string, kept: string): void {
    const own = path.dirname(kept);
    const all = this.#filesOf(user).sort((a, b) => b.at - a.at);
    let bytes = 0;
    let ofVolume = 0;
    for (const { file, size, at } of all) {
      bytes += size;
      if (path.dirname(file) === own) ofVolume++;
      const old = at < Date.now() - LIMITS.listingMs || file.endsWith("~");
      const over = bytes > LIMITS.listingsBytes || (path.dirname(file) === own && ofVolume > LIMITS.listings);
      if (file !== kept && (old || over)) fs.rmSync(file, { force: true });
    }
  }

  #filesOf(user: string): { file: string; size: number; at: number }[] {
    const home = path.join(this.#directory, user);
    return fs.readdirSync(home, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      if (!entry.isFile()) return [];
      const file = path.join(entry.parentPath, entry.name);
      const stats = fs.statSync(file, { throwIfNoEntry: false });
      return stats ? [{ file, size: stats.size, at: stats.mtimeMs }] : [];
    });
  }

  #fileOf(user: string, volume: string, id: string): string {
    if (!ID.test(id)) throw new TypeError(`no listing: ${id}`);
    return path.join(this.#directory, user, volume, id);
  }
}

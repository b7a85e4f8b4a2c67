import type { ZipFile } from "yazl";

/** What yazl keeps of an entry; its fourth and last state is that all of it was written. */
type Entry = { state: number; utf8FileName: Buffer };
const DONE = 3;

/**
 * Keeps the entries that are written apart from those that are not, until the end: yazl looks through all that it has
 * after each one, which for a hundred thousand takes many minutes. Their names get memory of their own: as they are made
 * each lies in a block of 64 KiB that Node shares among small buffers, and would keep all of it.
 */
export class ZipProgress {
  readonly #zip: { entries: Entry[] };
  readonly #done: Entry[] = [];

  constructor(zip: ZipFile) {
    this.#zip = zip as unknown as { entries: Entry[] };
  }

  /** Takes away what is written: to be called from time to time. */
  advance(): void {
    const { entries } = this.#zip;
    const open = entries.findIndex(({ state }) => state !== DONE);
    for (const entry of entries.splice(0, open < 0 ? entries.length : open)) {
      const name = entry.utf8FileName;
      entry.utf8FileName = Buffer.allocUnsafeSlow(name.length);
      name.copy(entry.utf8FileName);
      this.#done.push(entry);
    }
  }

  /** Gives all back, before the zip is ended. */
  restore(): void {
    this.#zip.entries = [...this.#done, ...this.#zip.entries];
  }
}

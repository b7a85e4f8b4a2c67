import type { ListedChunk } from "#protocol/chunking/chunk-list.ts";

/** Bytes of a file from `start` on, that the old content has from `at` on, or has not. */
export type Run = { at: number | undefined; bytes: number; start: number };

/** What of a file's chunks, told one after the other, an old content has: neighbours are one run. */
export class Runs {
  readonly all: Run[] = [];
  readonly #offsets: Map<string, number>;
  readonly #keys: Map<number, string>;
  #start = 0;

  constructor(old: ListedChunk[]) {
    this.#offsets = new Map(old.map(({ key, offset }) => [key, offset]));
    this.#keys = new Map(old.map(({ key, offset }) => [offset, key]));
  }

  add(key: string, bytes: number): void {
    const last = this.all.at(-1);
    const follows = last?.at === undefined ? undefined : last.at + last.bytes;
    // what goes on where the last run ends is one piece with it, also when the same chunk is elsewhere too
    const at = follows !== undefined && this.#keys.get(follows) === key ? follows : this.#offsets.get(key);
    if (last && (at === undefined ? last.at === undefined : at === follows)) last.bytes += bytes;
    else this.all.push({ at, bytes, start: this.#start });
    this.#start += bytes;
  }
}

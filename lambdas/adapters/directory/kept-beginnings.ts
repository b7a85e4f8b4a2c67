import { rm } from "node:fs/promises";
import { KiB, MiB } from "#protocol/limits.ts";
import type { Crc32Hash } from "../crc32-hash.ts";

/** The first bytes of an object whose sending was cut. */
export type Beginning = {
  /** the file that they lie in, of this process: a start of the ground sweeps it */
  file: string;
  bytes: number;
  /** of these bytes */
  hash: Crc32Hash;
};
type Kept = Beginning & { key: string; at: number };

/** Of all of them together; the oldest go first. An agent has at most 1 MiB under way over a thin link. */
const MOST_BYTES = 256 * MiB;
/** A small one counts as so many bytes: it is a file as well. */
const LEAST_BYTES = 64 * KiB;
/** Over so many ms it is not asked for any more: windows of contact are hours apart, and commands end. */
const OLD_MS = 24 * 3600_000;

/**
 * Beginnings of objects that are sent on from where they were cut. They are there to save sending again, and no more:
 * this process alone knows them.
 */
export class KeptBeginnings {
  readonly #most: number;
  readonly #now: () => number;
  /** oldest first */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  /** @param now ms since 1970 */
  constructor(mostBytes: number = MOST_BYTES, now: () => number = Date.now) {
    this.#most = mostBytes;
    this.#now = now;
  }

  /** Keeps what there is of an object of `key`; `name` stands for the object's bytes. */
  async keep(name: string, key: string, beginning: Beginning): Promise<void> {
    await this.drop(name);
    this.#kept.set(name, { ...beginning, key, at: this.#now() });
    this.#bytes += counted(beginning);
    for (const [oldest, { at }] of this.#kept) {
      if (this.#bytes <= this.#most && this.#now() - at < OLD_MS) return;
      await this.drop(oldest);
    }
  }

  bytesOf(name: string): number {
    return this.#kept.get(name)?.bytes ?? 0;
  }

  /** Hands out a beginning of so many bytes, which is nobody else's from now on; undefined: there is none such. */
  take(name: string, bytes: number): Beginning | undefined {
    const kept = this.#kept.get(name);
    if (kept?.bytes !== bytes) return undefined;
    this.#kept.delete(name);
    this.#bytes -= counted(kept);
    return kept;
  }

  async drop(name: string): Promise<void> {
    const kept = this.take(name, this.bytesOf(name));
    if (kept) await rm(kept.file, { force: true });
  }

  /** Drops those of all keys that begin with `prefix`. */
  async dropPrefix(prefix: string): Promise<void> {
    for (const [name, { key }] of this.#kept) if (key.startsWith(prefix)) await this.drop(name);
  }

  /** Drops all. @returns whether there were any */
  async dropAll(): Promise<boolean> {
    const some = this.#kept.size > 0;
    await this.dropPrefix("");
    return some;
  }
}

function counted({ bytes }: Beginning): number {
  return Math.max(bytes, LEAST_BYTES);
}

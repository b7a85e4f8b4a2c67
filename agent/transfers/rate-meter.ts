import { KiB } from "#protocol/limits.ts";
import type { Link } from "../ground/link.ts";

/** What is measured at a time. */
const PIECE = 256 * KiB;
/** Nothing for so long (ms) means that it waited, for contact or for the edge. */
const PAUSE_MS = 5_000;

/** Tells the link how much content it brings, while it does. */
export class RateMeter {
  readonly #link: Pick<Link, "brought">;
  readonly #now: () => number;
  #since: number | undefined;
  #last = 0;
  #bytes = 0;

  /** @param now monotonic ms (default performance.now) */
  constructor(link: Pick<Link, "brought">, now: () => number = () => performance.now()) {
    this.#link = link;
    this.#now = now;
  }

  /** So many bytes have come. */
  came(bytes: number): void {
    const now = this.#now();
    if (this.#since === undefined || now - this.#last > PAUSE_MS) {
      // They came in the time before, which is not known.
      this.#begin(now);
      return;
    }
    this.#last = now;
    this.#bytes += bytes;
    if (this.#bytes < PIECE || now === this.#since) return;
    this.#link.brought(this.#bytes, now - this.#since);
    this.#begin(now);
  }

  #begin(now: number): void {
    this.#since = now;
    this.#last = now;
    this.#bytes = 0;
  }
}

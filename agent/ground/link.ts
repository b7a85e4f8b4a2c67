import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import type { Backoff } from "../backoff.ts";
import { SendTurns } from "./send-turns.ts";

/** Calls whose least duration counts as a round trip: later ones may wait behind content. */
const LATEST = 16;
const FEWEST = 3;
/** From this round trip (ms) on one connection alone does not fill a link that loses packets. */
const FAR_MS = 100;
/** A link of fewer bytes per second is slow, however near it is. */
const SLOW = 1 * MiB;
/** A chunk is as much as the link carries in this time (s): so little is lost with it. */
const CHUNK_S = 0.25;
/** The size of the first chunks over a link whose rate is not known yet. */
const FIRST_CHUNK = 64 * KiB;
/** Calls that nothing answers for so long (ms), or for six round trips, mean that contact was lost. */
const SILENT_MS = 10_000;
const ROUND_TRIPS = 6;

/**
 * What is known of the link to the ground, from what went over it: how long a round trip takes, how much it carries, and
 * whether contact was lost meanwhile. It makes no request of its own.
 */
export class Link {
  /** who sends next, where the link is thin */
  readonly turns: SendTurns;
  readonly #now: () => number;
  readonly #durations: number[] = [];
  #bytesPerSecond: number | undefined;
  /** of content: where it is compressed more of it crosses */
  #contentPerSecond: number | undefined;
  #broughtPerSecond: number | undefined;
  /** since when calls wait and nothing is heard */
  #silentSince: number | undefined;
  readonly #listeners = new Set<(lost: number) => void>();

  /** @param now monotonic ms (default performance.now) */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.turns = new SendTurns(() => this.thin, now);
  }

  /** ms; undefined before the first answers: one of them may have been slow for another reason */
  get roundTripMs(): number | undefined {
    return this.#durations.length < FEWEST ? undefined : Math.min(...this.#durations);
  }

  /** `ms`, or six round trips where that is longer. */
  atLeast(ms: number): number {
    return Math.ceil(Math.max(ms, ROUND_TRIPS * (this.roundTripMs ?? 0)));
  }

  /** Is content to be moved over several connections at once, in small pieces? */
  get thin(): boolean {
    return (this.roundTripMs ?? 0) >= FAR_MS || (this.#bytesPerSecond ?? SLOW) < SLOW;
  }

  /** Content that a thin link carries to the ground, bit/s; undefined where it is not thin, or not known. */
  get contentBps(): number | undefined {
    return this.#bps(this.#contentPerSecond);
  }

  /** Content that a thin link brings from the ground, bit/s; undefined where it is not thin, or not known. */
  get broughtBps(): number | undefined {
    return this.#bps(this.#broughtPerSecond);
  }

  #bps(bytesPerSecond: number | undefined): number | undefined {
    return this.thin && bytesPerSecond !== undefined ? bytesPerSecond * 8 : undefined;
  }

  /** Bytes of the chunks in which content is to be sent; undefined: as the ground wants them. */
  get chunkBytes(): number | undefined {
    if (!this.thin) return undefined;
    if (this.#contentPerSecond === undefined) return FIRST_CHUNK;
    const wanted = 2 ** Math.floor(Math.log2(this.#contentPerSecond * CHUNK_S));
    return Math.min(LIMITS.chunkBytesMost, Math.max(LIMITS.chunkBytesLeast, wanted));
  }

  /**
   * So many bytes arrived at the ground in `ms`.
   * @param ratio what of the content they were, where it was compressed
   */
  sent(bytes: number, ms: number, ratio = 1): void {
    // Less is over before a connection is at its speed.
    if (bytes / ratio < LIMITS.chunkBytesLeast || ms <= 0) return;
    const measured = (bytes / ms) * 1000;
    this.#bytesPerSecond = half(this.#bytesPerSecond, measured);
    this.#contentPerSecond = half(this.#contentPerSecond, measured / ratio);
  }

  /** So many bytes of content came from the ground in `ms`. */
  brought(bytes: number, ms: number): void {
    this.#broughtPerSecond = half(this.#broughtPerSecond, (bytes / ms) * 1000);
  }

  /** A call goes out. */
  asked(): void {
    this.#silentSince ??= this.#now();
  }

  /** Something came from the ground. */
  heard(): void {
    this.expectContact();
    this.#silentSince = undefined;
  }

  /** A call was answered, this long after it went out. */
  answered(ms: number): void {
    this.#durations.push(ms);
    if (this.#durations.length > LATEST) this.#durations.shift();
  }

  /**
   * Contact may be back, as a window opens. Where it was not lost this changes nothing.
   * @param lost what was begun until then is begun anew (by `now`; default: what is older than a silence)
   */
  expectContact(lost: number = this.#now() - SILENT_MS): void {
    const since = this.#silentSince;
    if (since === undefined || this.#now() - since < this.atLeast(SILENT_MS)) return;
    for (const listener of [...this.#listeners]) listener(lost);
  }

  /** A pause of `backoff` that ends early when contact is back. */
  async pause(backoff: Pick<Backoff, "wait">, signal?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = this.onContact(() => over.abort());
    try {
      await backoff.wait(signal ? AbortSignal.any([signal, over.signal]) : over.signal);
    } finally {
      end();
    }
  }

  /**
   * Calls `listener` when contact is back, or is expected back.
   * @param listener told the time (by `now`) before which what is under way was begun without contact
   * @returns ends it
   */
  onContact(listener: (lost: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function half(before: number | undefined, now: number): number {
  return before === undefined ? now : (before + now) / 2;
}

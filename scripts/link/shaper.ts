import type { Lane, Profile } from "./profile.ts";

/** What becomes of a packet: so many of its bytes arrive then (fewer than all: the link went while it was sent). */
export type Fate = { at: number; bytes: number } | "lost" | "queue full" | "no link";

/** One way of a link, without clock and network: it says when each packet arrives. Times are ms from the link's start. */
export class Shaper {
  readonly #lane: Lane;
  readonly #windows: Profile["windows"];
  readonly #random: () => number;
  /** when the last packet is sent */
  #free = 0;
  #lastArrival = 0;

  /** @param random 0 to 1 */
  constructor(lane: Lane, windows: Profile["windows"], random: () => number) {
    this.#lane = lane;
    this.#windows = windows;
    this.#random = random;
  }

  /** Takes a packet at `now`, which never goes back. */
  offer(bytes: number, now: number): Fate {
    const { bitsPerSecond, delayMs, jitterMs, loss, queueBytes } = this.#lane;
    const end = endOfWindow(this.#windows, now);
    // What waited when a window ended is not sent in the next.
    if (end === undefined) return "no link";
    const begin = Math.max(now, this.#free);
    const msPerByte = bitsPerSecond === undefined ? 0 : 8000 / bitsPerSecond;
    if ((begin - now) * (msPerByte && 1 / msPerByte) > queueBytes) return "queue full";
    if (begin >= end) return "no link";
    const sent = begin + bytes * msPerByte;
    this.#free = Math.min(sent, end);
    const lost = this.#random() < loss;
    const late = this.#random() * jitterMs;
    if (lost) return "lost";
    const part = sent > end ? Math.floor((end - begin) / msPerByte) : bytes;
    this.#lastArrival = Math.max(this.#lastArrival, this.#free + delayMs + late);
    return { at: this.#lastArrival, bytes: part };
  }
}

/** When the window that is open at `now` ends; undefined: none is. */
export function endOfWindow(windows: Profile["windows"], now: number): number | undefined {
  if (!windows) return Number.POSITIVE_INFINITY;
  const { firstMs, lengthMs, everyMs } = windows;
  if (now < firstMs) return undefined;
  const begin = firstMs + Math.floor((now - firstMs) / everyMs) * everyMs;
  return now < begin + lengthMs ? begin + lengthMs : undefined;
}

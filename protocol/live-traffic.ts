import type { LiveRequest } from "./live.ts";
import { LIVE_LIMITS } from "./live-limits.ts";

type Kind = LiveRequest["kind"] | undefined;

/**
 * How much may be under way in the sessions of one edge: file sessions get less while an execution is busy, so that a
 * keystroke does not wait behind a file on a thin link.
 */
export class LiveTraffic {
  readonly #now: () => number;
  #busyUntil = Number.NEGATIVE_INFINITY;

  /** @param now ms of a monotonic clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A session of this kind moved a byte. */
  moved(kind: Kind): void {
    if (kind === "exec") this.#busyUntil = this.#now() + LIVE_LIMITS.busyMs;
  }

  /** Bytes that a session of this kind may have under way in one direction. */
  window(kind: Kind): number {
    const shared = kind !== "exec" && this.#now() < this.#busyUntil;
    return shared ? LIVE_LIMITS.sharedCreditBytes : LIVE_LIMITS.creditBytes;
  }
}

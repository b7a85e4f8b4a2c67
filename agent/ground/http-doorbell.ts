import { setTimeout as sleep } from "node:timers/promises";
import { DOORBELL_WAIT_S, type DoorbellListener } from "#protocol/doorbell.ts";

export type HttpDoorbellOptions = {
  /** address of the ground, for example `https://ground.example` (a path before `/agent` is kept) */
  ground: string;
  token: string | (() => string);
  /** first and longest pause after an error, in ms (default 500 and 30,000) */
  pauseMs?: { first: number; longest: number };
  /** grace over the wait before a silent connection is given up, in ms (default 10,000) */
  graceMs?: number;
  /** told of every failed poll; must not throw */
  onError?: (error: Error) => void;
  /** 0 to 1 (default Math.random) */
  random?: () => number;
};

/** A wait that ends this much sooner than asked was not answered by the doorbell. */
const EARLY = 0.5;
/** Rings one after the other that are believed; a proxy that answers 200 to all must not make us spin. */
const QUICK_RINGS = 10;
const QUICK_MS = 1000;

/**
 * The agent's end of the doorbell: long polls `GET /agent/doorbell`. Never throws: on errors it pauses, each
 * time longer up to a bound and with jitter, so that many agents do not come back at once. It never spins,
 * whatever answers: unasked-for 204s and floods of 200s are slowed down too.
 */
export class HttpDoorbell implements DoorbellListener {
  readonly #url: string;
  readonly #options: HttpDoorbellOptions;
  #failures = 0;
  #quickRings = 0;
  #lastRing = Number.NEGATIVE_INFINITY;

  constructor(options: HttpDoorbellOptions) {
    this.#url = `${options.ground.replace(/\/+$/, "")}/agent/doorbell`;
    this.#options = options;
  }

  async wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    const end = performance.now() + ms;
    for (let left = ms; left > 0 && !signal?.aborted; left = end - performance.now()) {
      try {
        if (await this.#poll(Math.min(left, DOORBELL_WAIT_S * 1000), signal)) {
          await this.#slowQuickRings(signal);
          return true;
        }
        this.#failures = 0;
      } catch (error) {
        if (signal?.aborted) return false;
        this.#options.onError?.(error as Error);
        await pause(Math.min(this.#pauseMs(this.#failures++), end - performance.now()), signal);
      }
    }
    return false;
  }

  /** One long poll. Throws for anything but an honest 200 or 204. */
  async #poll(ms: number, signal?: AbortSignal): Promise<boolean> {
    const { token, graceMs = 10_000 } = this.#options;
    const started = performance.now();
    const timeout = AbortSignal.timeout(Math.ceil(ms + graceMs));
    const response = await fetch(`${this.#url}?wait=${(ms / 1000).toFixed(3)}`, {
      headers: { Authorization: `Bearer ${typeof token === "string" ? token : token()}` },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      redirect: "error",
    });
    await response.body?.cancel();
    if (response.status === 200) return true;
    if (response.status !== 204) throw new Error(`the doorbell answered ${response.status}`);
    const early = performance.now() - started < ms * EARLY;
    // another wait of ours may have displaced this one: harmless once, a spin if it goes on
    if (early) throw new Error("the doorbell did not wait");
    return false;
  }

  async #slowQuickRings(signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#quickRings = now - this.#lastRing < QUICK_MS ? this.#quickRings + 1 : 0;
    if (this.#quickRings > QUICK_RINGS) await pause(this.#pauseMs(this.#quickRings - QUICK_RINGS), signal);
    else this.#failures = 0;
    this.#lastRing = performance.now();
  }

  /** Doubles with every failure up to the longest, then a random half to whole of that. */
  #pauseMs(failures: number): number {
    const { pauseMs: { first, longest } = { first: 500, longest: 30_000 }, random = Math.random } =
      this.#options;
    return Math.min(longest, first * 2 ** Math.min(failures, 30)) * (0.5 + random() / 2);
  }
}

/** Ends early when aborted, without throwing. */
async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {});
}

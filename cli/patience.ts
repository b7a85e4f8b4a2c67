import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "#protocol/backoff.ts";

/** Limits how long one call waits for an edge that is busy or out of contact, over all its attempts. */
export class Patience {
  /** ms; 0 = never wait */
  readonly limitMs: number;
  readonly #signal: AbortSignal;
  #since: number | undefined;

  constructor(limitMs: number, signal: AbortSignal) {
    this.limitMs = limitMs;
    this.#signal = signal;
  }

  /** The edge makes no progress: the time runs from the first such call on. Returns the ms left. */
  blocked(): number {
    this.#since ??= performance.now();
    return Math.max(0, this.limitMs - (performance.now() - this.#since));
  }

  /** The edge makes progress: the time starts again when it stops the next time. */
  moving(): void {
    this.#since = undefined;
  }

  /** The pause before the next try, after so many that nothing answered (0 after the first). @throws AbortError */
  async again(failures: number): Promise<void> {
    await this.pause(Math.min(backoffMs(500, 10_000, failures), this.blocked()));
  }

  /** @throws AbortError */
  async pause(ms: number): Promise<void> {
    await sleep(Math.max(0, ms), undefined, { signal: this.#signal });
  }
}

/** `Retry-After` (seconds or a date) in ms, within 100 ms and 30 s; `fallback` without one. */
export function retryAfterMs(headers: IncomingHttpHeaders, fallback = 2_000, now = Date.now()): number {
  const value = headers["retry-after"];
  if (value === undefined) return fallback;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  if (Number.isNaN(ms)) return fallback;
  return Math.min(30_000, Math.max(100, ms));
}

/** "10m", "90s", "1h30m", "500ms" or a plain number of seconds, in ms; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) return undefined;
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
    ms += Number(amount) * (units[unit ?? ""] ?? 0);
  }
  return ms;
}

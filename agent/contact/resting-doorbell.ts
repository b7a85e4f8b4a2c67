import { setTimeout as sleep } from "node:timers/promises";
import type { DoorbellListener } from "#protocol/doorbell.ts";
import type { ContactPlan } from "./contact-plan.ts";

export type RestingDoorbellOptions = {
  /** the rest is over: a window has opened, or the link came into use */
  awake?: () => void;
  /** the plan and the clock are looked at this often while it rests (ms, default 5,000) */
  lookMs?: number;
};

/**
 * A doorbell that is not asked while the agent rests outside of planned windows. A wait that rested ends, as if nothing
 * had rung, when the rest is over, so that the ground is asked at once.
 */
export class RestingDoorbell implements DoorbellListener {
  readonly #doorbell: DoorbellListener;
  readonly #plan: Pick<ContactPlan, "restMs">;
  readonly #options: RestingDoorbellOptions;
  #asked = new AbortController();

  constructor(
    doorbell: DoorbellListener,
    plan: Pick<ContactPlan, "restMs">,
    options: RestingDoorbellOptions = {},
  ) {
    this.#doorbell = doorbell;
    this.#plan = plan;
    this.#options = options;
  }

  /**
   * Contact may be back. A wait that began before contact was lost may be on a dead connection: it ends as if nothing had
   * rung, so that the ground is asked at once, and the next wait opens a new connection.
   */
  expectContact(): void {
    this.#doorbell.again?.();
    this.#asked.abort();
    this.#asked = new AbortController();
  }

  async wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    const asked = this.#asked.signal;
    if (this.#plan.restMs() === 0) {
      return this.#doorbell.wait(ms, signal ? AbortSignal.any([signal, asked]) : asked);
    }
    const { awake, lookMs = 5_000 } = this.#options;
    const end = performance.now() + ms;
    while (!signal?.aborted) {
      const rest = this.#plan.restMs();
      if (rest === 0) {
        awake?.();
        return false;
      }
      const left = end - performance.now();
      if (left <= 0) return false;
      await sleep(Math.max(1, Math.min(rest, left, lookMs)), undefined, { signal }).catch(() => undefined);
    }
    return false;
  }
}

import type { Logger } from "pino";
import { type ContactWindow, type WindowPlan, windowsAt } from "#protocol/contact-window.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { PlanFile } from "./plan-file.ts";

export type ContactPlanDeps = {
  /** asks the ground for the plan */
  fetch(): Promise<WindowPlan>;
  file: Pick<PlanFile, "read" | "write">;
  log: Pick<Logger, "info" | "warn">;
  /** ms since 1970 (default Date.now) */
  now?: () => number;
};

export type ContactPlanOptions = {
  /** outside of planned windows the ground is asked this often (ms); by default as often as inside */
  outsideMs?: number | undefined;
};

/**
 * When this edge expects contact, as the ground's operator planned it. It only says how often to ask the ground: a
 * plan that is wrong, missing or at its end keeps nothing from being done.
 */
export class ContactPlan {
  readonly #deps: ContactPlanDeps;
  readonly #outsideMs: number | undefined;
  readonly #now: () => number;
  #plan: WindowPlan | undefined;
  #fetching = false;
  #activeAt = Number.NEGATIVE_INFINITY;

  constructor(deps: ContactPlanDeps, options: ContactPlanOptions = {}) {
    this.#deps = deps;
    this.#outsideMs = options.outsideMs;
    this.#now = deps.now ?? Date.now;
    this.#plan = deps.file.read();
  }

  /** What the answer to a heartbeat says of the plan; undefined: there is none. */
  heard(revision: number | undefined): void {
    if (revision === this.#plan?.revision) return;
    if (revision === undefined) this.#keep(undefined);
    else void this.#fetch();
  }

  /** The link is in use: for a while the ground is asked as often as in a window. */
  active(): void {
    this.#activeAt = this.#now();
  }

  /** ms until the next window opens, if the agent is to rest until then; 0: it is not. */
  restMs(): number {
    if (this.#outsideMs === undefined || !this.#plan) return 0;
    const now = this.#now();
    // A clock that was set back must not keep it awake for longer.
    const idle = now - this.#activeAt;
    if (idle >= 0 && idle < LIMITS.contactMs) return 0;
    const { present, next } = windowsAt(this.#plan.windows, now);
    // After its last window the plan says nothing.
    return present || !next ? 0 : next.start - now;
  }

  /** The window that is open by the plan. */
  present(): ContactWindow | undefined {
    return windowsAt(this.#plan?.windows ?? [], this.#now()).present;
  }

  /** ms until the next window opens; undefined: none is planned. */
  untilNextMs(): number | undefined {
    const now = this.#now();
    const { next } = windowsAt(this.#plan?.windows ?? [], now);
    return next && next.start - now;
  }

  /** How long to wait now for what is done every `ms` in a window. */
  pace(ms: number): number {
    return this.restMs() > 0 ? Math.max(ms, this.#outsideMs ?? 0) : ms;
  }

  async #fetch(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      this.#keep(await this.#deps.fetch());
    } catch (err) {
      // the next heartbeat's answer names the revision again
      this.#deps.log.warn({ err }, "the plan of contact windows could not be fetched");
    } finally {
      this.#fetching = false;
    }
  }

  #keep(plan: WindowPlan | undefined): void {
    this.#plan = plan;
    this.#deps.file.write(plan);
    const { revision, windows = [] } = plan ?? {};
    this.#deps.log.info({ revision, windows: windows.length }, "plan of contact windows");
  }
}

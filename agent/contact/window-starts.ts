import type { Link } from "../ground/link.ts";
import type { ContactPlan } from "./contact-plan.ts";

/** The plan and the clock are looked at this often (ms) at least, and in a window. */
const LOOK_MS = 5_000;
const OPEN_LOOK_MS = 1_000;
/** So often after a window opened what is under way is begun anew after two round trips: it may have been too early. */
const QUICK_TRIES = 4;
const LEAST_MS = 1_000;

export type WindowStartsDeps = {
  plan: Pick<ContactPlan, "present" | "untilNextMs">;
  link: Pick<Link, "expectContact" | "roundTripMs">;
  /** a window has opened */
  opened(): void;
  /** monotonic ms (default performance.now) */
  now?: () => number;
};

/**
 * Looks for contact when a planned window opens, and while it is open and nothing is heard: what was begun before never
 * gets an answer, and its pauses have grown long. Where there is contact this changes nothing.
 */
export class WindowStarts {
  readonly #deps: WindowStartsDeps;
  readonly #now: () => number;
  /** start of the window that is open */
  #start: number | undefined;
  #tries = 0;
  #triedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: WindowStartsDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? (() => performance.now());
    // In one that is open already the agent begins with all that a window means.
    this.#start = deps.plan.present()?.start;
  }

  /** Looks at every start of a window from now on. */
  run(): void {
    this.look();
    const look = this.#start === undefined ? LOOK_MS : OPEN_LOOK_MS;
    const ms = Math.min(look, this.#deps.plan.untilNextMs() ?? look);
    this.#timer = setTimeout(() => this.run(), Math.max(1, ms)).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** One look; never throws. */
  look(): void {
    const { plan, link, opened } = this.#deps;
    const start = plan.present()?.start;
    const before = this.#start;
    this.#start = start;
    if (start === undefined) return;
    const now = this.#now();
    if (start !== before) {
      [this.#tries, this.#triedAt] = [0, now];
      link.expectContact(now);
      opened();
      return;
    }
    const quickMs = Math.max(LEAST_MS, 2 * (link.roundTripMs ?? 0));
    if (now - this.#triedAt < quickMs) return;
    this.#triedAt = now;
    if (this.#tries < QUICK_TRIES) {
      this.#tries++;
      link.expectContact(now - quickMs);
    } else link.expectContact();
  }
}

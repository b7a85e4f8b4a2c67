import { LIMITS } from "#protocol/limits.ts";
import { isAnswer, isPermanentFault, MOST_FAULTS } from "../permanent-fault.ts";

/** Counts how a log could not be read, one time after the other: is there any use in asking again? */
export class LogFaults {
  readonly #refusedMs: number;
  readonly #now: () => number;
  #permanent = 0;
  #answers = 0;
  /** when the first of the answers in a row came */
  #since = 0;

  /**
   * @param refusedMs ms for which an engine that answers with errors is asked (default LIMITS.logRefusedMs)
   * @param now ms, monotonic
   */
  constructor(refusedMs: number = LIMITS.logRefusedMs, now: () => number = () => performance.now()) {
    this.#refusedMs = refusedMs;
    this.#now = now;
  }

  /** An engine that does not answer says nothing of the log: it is asked until it does. */
  failed(error: unknown): void {
    this.#permanent = isPermanentFault(error) ? this.#permanent + 1 : 0;
    if (!isAnswer(error)) this.#answers = 0;
    else if (this.#answers++ === 0) this.#since = this.#now();
  }

  /** Is it certain that the log cannot be read? */
  get hopeless(): boolean {
    if (this.#permanent >= MOST_FAULTS) return true;
    return this.#answers >= MOST_FAULTS && this.#now() - this.#since >= this.#refusedMs;
  }
}

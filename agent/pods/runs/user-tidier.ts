/**
 * Gives back what a user's runs shared (a network, a namespace) once none has been left for a while: who runs
 * one pod after the other would otherwise wait each time until it is made again.
 */
export class UserTidier {
  readonly #lingerMs: number;
  readonly #tidy: (user: string) => Promise<void>;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /**
   * @param lingerMs how long nothing of a user must have run
   * @param tidy is to find out itself whether something runs again; must not throw
   */
  constructor(lingerMs: number, tidy: (user: string) => Promise<void>) {
    this.#lingerMs = lingerMs;
    this.#tidy = tidy;
  }

  /** The last run of a user has gone; called again it counts anew. */
  later(user: string): void {
    clearTimeout(this.#timers.get(user));
    const timer = setTimeout(() => {
      this.#timers.delete(user);
      void this.#tidy(user);
    }, this.#lingerMs);
    this.#timers.set(user, timer.unref());
  }

  /** What is still there is tidied by the next one. */
  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}

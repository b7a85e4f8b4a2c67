/** A longer time makes Node's timers fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs out after so many milliseconds of work on the edge. It is paused while at least one piece of work asks
 * for that: what takes as long as there is no contact is not work.
 */
export class Deadline {
  readonly #end: () => void;
  #left: number;
  #paused = 0;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param end called once, when `ms` of work are over */
  constructor(ms: number, end: () => void) {
    this.#left = ms;
    this.#end = end;
    this.#run();
  }

  /** The time until `work` settles does not count. */
  async pauseDuring<T>(work: () => Promise<T>): Promise<T> {
    if (this.#paused++ === 0) this.#stand();
    try {
      return await work();
    } finally {
      if (--this.#paused === 0) this.#run();
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #run(): void {
    if (this.#closed) return;
    this.#since = performance.now();
    this.#timer = setTimeout(
      () => {
        this.#left -= Math.min(this.#left, LONGEST_TIMER_MS);
        if (this.#left > 0) return this.#run();
        this.close();
        this.#end();
      },
      Math.min(this.#left, LONGEST_TIMER_MS),
    );
  }

  #stand(): void {
    clearTimeout(this.#timer);
    this.#left = Math.max(0, this.#left - (performance.now() - this.#since));
  }
}

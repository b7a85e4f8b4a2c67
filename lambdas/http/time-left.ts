/**
 * How long this process may still work on its request: without end on a server, until its invocation's end
 * on Lambda, which takes one request at a time. By the monotonic clock.
 */
export class TimeLeft {
  #until = Number.POSITIVE_INFINITY;

  /** A request begins that may take `ms`. */
  begin(ms: number): void {
    this.#until = performance.now() + ms;
  }

  /** ms */
  get ms(): number {
    return this.#until - performance.now();
  }
}

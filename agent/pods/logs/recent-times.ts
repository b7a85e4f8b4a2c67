const MOST = 1024;

/** The times of the frames that were taken last: a frame of such a time that comes once more is no new one. */
export class RecentTimes {
  readonly #times = new Set<string>();

  add(time: string): void {
    this.#times.add(time);
    if (this.#times.size <= MOST) return;
    const { value } = this.#times.values().next();
    if (value !== undefined) this.#times.delete(value);
  }

  has(time: string): boolean {
    return this.#times.has(time);
  }
}

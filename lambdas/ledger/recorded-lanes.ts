/** Edges whose lanes are remembered; the one that was remembered first is dropped first. */
const MOST_REMEMBERED = 10_000;

/** Names of the lanes with a record, by edge, as this process saw them last: a hint of what to ask for, no more. */
export class RecordedLanes {
  readonly #lanes = new Map<string, readonly string[]>();

  get(edge: string): readonly string[] | undefined {
    return this.#lanes.get(edge);
  }

  set(edge: string, names: readonly string[]): void {
    this.#lanes.set(edge, names);
    if (this.#lanes.size > MOST_REMEMBERED) this.#lanes.delete(this.#lanes.keys().next().value!);
  }
}

/** Whose turn it is among those that wait for a place: a path of names, from the lane inwards. */
export type TurnPath = readonly string[];

/**
 * Turns that go round at every level of a path: round the lanes, within a lane round its users, within a user round the
 * groups. Whoever comes new is last at its level, and so is whoever gets a place or gives one back; so each one's turn
 * comes after at most one of every other that waits, the one that has the place included.
 */
export class FairTurns {
  /** waiting commands by path and beginnings of paths, and when each was last served or came */
  readonly #levels = new Map<string, { waiting: number; at: number }>();
  #clock = 0;

  get isEmpty(): boolean {
    return this.#levels.size === 0;
  }

  /** One more command of `path` waits. */
  enter(path: TurnPath): void {
    for (const level of levelsOf(path)) {
      const known = this.#levels.get(level);
      if (known) known.waiting++;
      else this.#levels.set(level, { waiting: 1, at: this.#clock++ });
    }
  }

  /** One of them waits no more. @param served it got a place, and was not cancelled */
  leave(path: TurnPath, served: boolean): void {
    for (const level of levelsOf(path)) {
      const known = this.#levels.get(level);
      if (!known) continue;
      if (served) known.at = this.#clock++;
      if (--known.waiting === 0) this.#levels.delete(level);
    }
  }

  /** A command of `path` gave its place back. */
  released(path: TurnPath): void {
    for (const level of levelsOf(path)) {
      const known = this.#levels.get(level);
      if (known) known.at = this.#clock++;
    }
  }

  /** Less than 0 when the turn of `a` comes before that of `b`; 0 for the same path. */
  compare(a: TurnPath, b: TurnPath): number {
    const others = levelsOf(b);
    for (const [i, level] of levelsOf(a).entries()) {
      const difference = this.#at(level) - this.#at(others[i]!);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #at(level: string): number {
    return this.#levels.get(level)?.at ?? this.#clock;
  }
}

function levelsOf(path: TurnPath): string[] {
  return path.map((_, i) => JSON.stringify(path.slice(0, i + 1)));
}

import type { LaneChange } from "./lane-change.ts";

/** A change that waits for its lane. */
export type Turn<T, R> = {
  change: LaneChange<T, R>;
  /** its `prepare` has been called */
  prepared: boolean;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
};

/** Each has types of its own, at which nobody but its caller looks. */
export type AnyTurn = Turn<unknown, unknown>;

type Deps = {
  /** settles it */
  alone: (turn: AnyTurn) => Promise<void>;
  /** settles some of them, at least the first; @returns the others, in order */
  together: (turns: AnyTurn[]) => Promise<AnyTurn[]>;
};

/**
 * Changes of one lane go one after the other, in the order in which they came; those that wait and may share a
 * transaction go together. Changes of different lanes do not wait for each other.
 */
export class LaneTurns {
  readonly #deps: Deps;
  readonly #waiting = new Map<string, AnyTurn[]>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Makes the change when it is its turn. */
  take<T, R>(change: LaneChange<T, R>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const turn = { change, prepared: false, resolve, reject } as unknown as AnyTurn;
    const lane = nameOf(change);
    const waiting = this.#waiting.get(lane);
    if (waiting) waiting.push(turn);
    else void this.#serve(lane, [turn]);
    return promise;
  }

  isBusy(edge: string, lane: string): boolean {
    return this.#waiting.has(nameOf({ edge, lane }));
  }

  async #serve(lane: string, waiting: AnyTurn[]): Promise<void> {
    this.#waiting.set(lane, waiting);
    while (waiting.length > 0) {
      const next = waiting.splice(0, sharing(waiting));
      if (next.length === 1) await this.#deps.alone(next[0]!);
      else waiting.unshift(...(await this.#deps.together(next)));
    }
    this.#waiting.delete(lane);
  }
}

function nameOf({ edge, lane }: { edge: string; lane: string }): string {
  return `${edge} ${lane}`;
}

/** How many of the first may share a transaction. */
function sharing(waiting: readonly AnyTurn[]): number {
  const apart = new Set<string>();
  for (const [n, { change }] of waiting.entries()) {
    const of = change.together?.apart;
    if (!change.together || (of !== undefined && apart.has(of))) return Math.max(1, n);
    if (of !== undefined) apart.add(of);
  }
  return waiting.length;
}

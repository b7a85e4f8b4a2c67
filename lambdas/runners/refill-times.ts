import { BoundedMap } from "#protocol/bounded-map.ts";

const MOST_POOLS = 10_000;
const MOST_OPEN = 200;

/** How long pools take to have a runner again for each that was handed out, as this process sees it. */
export class RefillTimes {
  readonly #open = new BoundedMap<string, number[]>(MOST_POOLS);
  readonly #observe: (ms: number) => void;

  constructor(observe: (ms: number) => void) {
    this.#observe = observe;
  }

  handedOut(pool: string, at: number): void {
    const open = this.#open.get(pool) ?? [];
    if (open.length < MOST_OPEN) this.#open.set(pool, [...open, at]);
  }

  /** Another runner of the pool can be handed out. */
  filled(pool: string, at: number): void {
    const [first, ...rest] = this.#open.get(pool) ?? [];
    if (first === undefined) return;
    this.#observe(Math.max(0, at - first));
    if (rest.length > 0) this.#open.set(pool, rest);
    else this.#open.delete(pool);
  }
}

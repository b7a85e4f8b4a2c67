import { type AsyncHook, createHook } from "node:async_hooks";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { SimProcess } from "./sim-process.ts";

type Event = { at: number; seq: number; owner: SimProcess | undefined; run: () => void };

/** What `setTimeout` gives. */
type Handle = { event: Event; unref(): Handle; ref(): Handle; [Symbol.dispose](): void };

const timers = createRequire(import.meta.url)("node:timers/promises") as Record<
  "setTimeout" | "setImmediate",
  (...args: unknown[]) => Promise<unknown>
>;
/** As they are outside of any simulation. */
const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  now: Date.now,
  performanceNow: performance.now,
  random: Math.random,
  sleep: timers.setTimeout,
  turn: timers.setImmediate,
};
/** What a library or Node waits for outside of this process' own turns: how long that takes is up to the machine. */
const REAL =
  /^(?!RANDOMBYTES)[A-Z0-9]+REQ(UEST)?(PROMISE|CALLBACK)?$|WRAP$|^(Timeout|Immediate|BLOBREADER|WORKER|ZLIB)$/;
/** Of one history: one that comes near it goes round and round. */
const MOST_EVENTS = 200_000;
/** ms since 1970 at which every simulated clock begins. */
export const START = Date.UTC(2025, 10, 20);

/**
 * Time that goes on only as events are due, and chance that comes from a seed: what runs in it runs the same way each
 * time. One event is run after the other, each with all that follows from it at once.
 */
export class VirtualTime {
  /** settles when the simulation that began last has ended */
  static #last: Promise<void> = Promise.resolve();
  readonly #events: Event[] = [];
  readonly #random: () => number;
  #now = 0;
  #seq = 0;
  #waited: Error | undefined;
  /** events so far */
  count = 0;

  constructor(seed: number) {
    this.#random = fromSeed(seed);
  }

  /** ms since the beginning */
  get now(): number {
    return this.#now;
  }

  /** 0 to 1 */
  random(): number {
    return this.#random();
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  /** Runs `run` in `ms`, in the process that asks for it, if that still lives. */
  after(ms: number, run: () => void, owner = SimProcess.current): Event {
    const event = { at: this.#now + Math.max(0, ms), seq: this.#seq++, owner, run };
    let at = this.#events.length;
    while (at > 0 && isBefore(event, this.#events[at - 1]!)) at--;
    this.#events.splice(at, 0, event);
    return event;
  }

  cancel(event: Event): void {
    const at = this.#events.indexOf(event);
    if (at >= 0) this.#events.splice(at, 1);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Lets events come until `over`, or until `ms` have gone by. @returns whether it is over */
  async run(ms: number, over: () => boolean = () => false): Promise<boolean> {
    const end = this.#now + ms;
    for (;;) {
      // all that follows from what came before has happened when the event loop comes round
      await new Promise((resolve) => real.setImmediate(resolve));
      if (this.#waited) throw this.#waited;
      if (over()) return true;
      const [next] = this.#events;
      if (!next || next.at > end) {
        this.#now = end;
        return over();
      }
      this.#events.shift();
      if (next.owner?.alive === false) continue;
      this.#now = next.at;
      if (++this.count > MOST_EVENTS) throw new Error(`more than ${MOST_EVENTS} events: something spins`);
      if (next.owner) next.owner.within(next.run);
      else next.run();
    }
  }

  /**
   * Has every timer, clock and Math.random of this process be this time's while `work` runs. One simulation waits for the
   * one before it, also when nobody waits for that any more.
   */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const before = VirtualTime.#last;
    const ended = Promise.withResolvers<void>();
    VirtualTime.#last = ended.promise;
    await before;
    const watch = this.#watchForReal();
    this.#install();
    try {
      return await work();
    } finally {
      watch.disable();
      Object.assign(globalThis, {
        setTimeout: real.setTimeout,
        clearTimeout: real.clearTimeout,
        setInterval: real.setInterval,
        clearInterval: real.clearInterval,
        setImmediate: real.setImmediate,
      });
      Date.now = real.now;
      performance.now = real.performanceNow;
      Math.random = real.random;
      Object.assign(timers, { setTimeout: real.sleep, setImmediate: real.turn });
      syncBuiltinESMExports();
      ended.resolve();
    }
  }

  /** What a simulated process waits for beside events would make a history depend on how fast the machine is. */
  #watchForReal(): AsyncHook {
    const init = (_id: number, type: string) => {
      if (!SimProcess.current || !REAL.test(type)) return;
      this.#waited ??= new Error(
        `${SimProcess.current.name} waits for something that is not simulated: ${type}`,
      );
    };
    return createHook({ init, trackPromises: false }).enable();
  }

  /** Only for processes of the simulation: what runs the test keeps its own time and chance. */
  #install(): void {
    const simulated = () => SimProcess.current !== undefined;
    const turn = (run: () => void) => this.after(this.between(0, 3), run);
    type Run = (...args: unknown[]) => void;
    Object.assign(globalThis, {
      setTimeout: (run: Run, ms = 0, ...args: unknown[]) =>
        simulated() ? this.#handle(this.after(ms, () => run(...args))) : real.setTimeout(run, ms, ...args),
      clearTimeout: (handle?: Handle | NodeJS.Timeout) => {
        if (handle && "event" in handle) this.cancel(handle.event);
        else real.clearTimeout(handle);
      },
      setInterval: (run: Run, ms = 0, ...args: unknown[]) =>
        simulated() ? this.#repeated(() => run(...args), ms) : real.setInterval(run, ms, ...args),
      clearInterval: (handle?: Handle | NodeJS.Timeout) => {
        if (handle && "event" in handle) this.cancel(handle.event);
        else real.clearInterval(handle);
      },
      setImmediate: (run: Run, ...args: unknown[]) =>
        simulated() ? turn(() => run(...args)) : real.setImmediate(run, ...args),
    });
    Date.now = () => (simulated() ? START + Math.floor(this.#now) : real.now());
    performance.now = () => (simulated() ? this.#now : real.performanceNow.call(performance));
    Math.random = () => (simulated() ? this.#random() : real.random());
    Object.assign(timers, {
      setTimeout: (ms = 0, value?: unknown, options: { signal?: AbortSignal } = {}) =>
        simulated() ? this.#abortable(ms, value, options.signal) : real.sleep(ms, value, options),
      setImmediate: (value?: unknown) =>
        simulated() ? new Promise((resolve) => turn(() => resolve(value))) : real.turn(value),
    });
    syncBuiltinESMExports();
  }

  #handle(event: Event): Handle {
    const handle: Handle = {
      event,
      unref: () => handle,
      ref: () => handle,
      [Symbol.dispose]: () => this.cancel(handle.event),
    };
    return handle;
  }

  #repeated(run: () => void, ms: number): Handle {
    const again = () => {
      handle.event = this.after(ms, again);
      run();
    };
    const handle = this.#handle(this.after(ms, again));
    return handle;
  }

  #abortable(ms: number, value: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (signal?.aborted) return Promise.reject(signal.reason);
    const abort = () => {
      this.cancel(event);
      reject(signal!.reason);
    };
    const event = this.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    });
    signal?.addEventListener("abort", abort, { once: true });
    return promise;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at - b.at < 0 || (a.at === b.at && a.seq < b.seq);
}

/** Mulberry32. */
function fromSeed(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

import { AsyncLocalStorage } from "node:async_hooks";

const current = new AsyncLocalStorage<SimProcess>();

/**
 * A process of a simulated world. Whatever it begins in {@link within} is its own; once it is killed none of its timers
 * fires and none of its calls is answered, so that it stops where it is, as at a SIGKILL.
 */
export class SimProcess {
  readonly name: string;
  #alive = true;
  readonly #dead = Promise.withResolvers<void>();

  constructor(name: string) {
    this.name = name;
  }

  /** The one whose code runs now; undefined: the test's. */
  static get current(): SimProcess | undefined {
    return current.getStore();
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Resolves when it is killed. */
  get death(): Promise<void> {
    return this.#dead.promise;
  }

  kill(): void {
    this.#alive = false;
    this.#dead.resolve();
  }

  within<T>(work: () => T): T {
    return current.run(this, work);
  }
}

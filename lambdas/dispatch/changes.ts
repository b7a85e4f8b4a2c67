import { EventEmitter } from "node:events";

/**
 * Tells waiting calls that a command may have changed. Within one process it is immediate; changes made by
 * other processes are found by polling, so a missed hint costs time and nothing else.
 */
export class Changes {
  readonly #emitter = new EventEmitter({ captureRejections: false });

  constructor() {
    // One listener per waiting call.
    this.#emitter.setMaxListeners(0);
  }

  changed(id: string): void {
    this.#emitter.emit(id);
  }

  /** Starts listening now: `next(ms)` resolves at the next change, or after `ms`. */
  listen(id: string): { next(ms: number): Promise<void>; [Symbol.dispose](): void } {
    let missed = false;
    let wake: (() => void) | undefined;
    const heard = () => {
      missed = true;
      wake?.();
    };
    this.#emitter.on(id, heard);
    return {
      async next(ms) {
        if (!missed) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, ms);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        wake = undefined;
        missed = false;
      },
      [Symbol.dispose]: () => {
        this.#emitter.off(id, heard);
      },
    };
  }
}

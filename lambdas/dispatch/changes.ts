import { EventEmitter } from "node:events";
import type { Command } from "../ledger/command.ts";

export type Listening = { next(ms: number): Promise<Command | undefined>; [Symbol.dispose](): void };

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

  /** @param command as this process has just written it, which spares the waiting calls their reads */
  changed(id: string, command?: Command): void {
    this.#emitter.emit(id, command);
  }

  /**
   * Starts listening now: `next(ms)` resolves at the next change, or after `ms`; with the command where the change
   * came with it.
   */
  listen(id: string): Listening {
    let missed = false;
    let told: Command | undefined;
    let wake: (() => void) | undefined;
    const heard = (command: Command | undefined) => {
      missed = true;
      told = command;
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
        const heardOf = told;
        told = undefined;
        return heardOf;
      },
      [Symbol.dispose]: () => {
        this.#emitter.off(id, heard);
      },
    };
  }
}

import { LIMITS } from "#protocol/limits.ts";
import type { ActingUser } from "#protocol/live.ts";
import type { ContainerExec } from "../container-exec.ts";
import { type Control, startControl } from "./control.ts";

const MOST = 64;

/**
 * Controls that wait for their program, so that starting one takes one call of the engine and not two: one for each
 * container and user that was worked in during the last minute.
 */
export class SpareControls {
  readonly #engine: ContainerExec;
  readonly #spares = new Map<string, { control: Control; timer: NodeJS.Timeout }>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();

  constructor(engine: ContainerExec) {
    this.#engine = engine;
  }

  take(run: string, as: ActingUser): Control | undefined {
    const key = `${as} ${run}`;
    const spare = this.#spares.get(key);
    if (!spare) return undefined;
    clearTimeout(spare.timer);
    this.#spares.delete(key);
    return spare.control;
  }

  /** Makes one ready, unless there is one; that it cannot is no error. */
  prepare(run: string, as: ActingUser): Promise<void> {
    const key = `${as} ${run}`;
    if (this.#closing.signal.aborted || this.#spares.has(key)) return Promise.resolve();
    if (this.#spares.size + this.#starting.size >= MOST) return Promise.resolve();
    let starting = this.#starting.get(key);
    if (!starting) {
      starting = this.#start(key, run, as)
        .catch(() => undefined)
        .finally(() => this.#starting.delete(key));
      this.#starting.set(key, starting);
    }
    return starting;
  }

  close(): void {
    this.#closing.abort();
    for (const { control, timer } of this.#spares.values()) {
      clearTimeout(timer);
      control.exec.cut();
    }
    this.#spares.clear();
  }

  async #start(key: string, run: string, as: ActingUser): Promise<void> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(LIMITS.liveStartMs)]);
    const control = await startControl(this.#engine, run, as, signal);
    if (this.#closing.signal.aborted) return control.exec.cut();
    const timer = setTimeout(() => {
      this.#spares.delete(key);
      control.exec.cut();
    }, LIMITS.liveSpareControlMs);
    timer.unref();
    this.#spares.set(key, { control, timer });
  }
}

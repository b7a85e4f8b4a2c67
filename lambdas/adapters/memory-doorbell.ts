import type { Doorbell, DoorbellListener } from "../ports/doorbell.ts";

/** More waits than this on one edge and the oldest ends: an agent that reconnects leaves dead ones behind. */
const WAITS_PER_EDGE = 4;

type Wait = (rung: boolean) => void;
type Bell = { rung: boolean; waits: Set<Wait> };

/**
 * The doorbell inside one process: rings reach the listeners of the same object. A ring wakes every wait of
 * its edge, since any one of them may belong to a connection that is dead already.
 */
export class MemoryDoorbell implements Doorbell {
  readonly #bells = new Map<string, Bell>();

  async ring(edge: string): Promise<void> {
    const bell = this.#bell(edge);
    if (bell.waits.size === 0) bell.rung = true;
    else for (const wake of [...bell.waits]) wake(true);
  }

  /** The listening end for one edge. */
  listen(edge: string): DoorbellListener {
    return { wait: (ms, signal) => this.#wait(edge, ms, signal) };
  }

  #wait(edge: string, ms: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false);
    const bell = this.#bell(edge);
    if (bell.rung) {
      bell.rung = false;
      this.#tidy(edge, bell);
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const end = (rung: boolean) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        bell.waits.delete(end);
        this.#tidy(edge, bell);
        resolve(rung);
      };
      const abort = () => end(false);
      const timer = setTimeout(end, ms, false);
      signal?.addEventListener("abort", abort);
      bell.waits.add(end);
      if (bell.waits.size > WAITS_PER_EDGE) bell.waits.values().next().value?.(false);
    });
  }

  #bell(edge: string): Bell {
    let bell = this.#bells.get(edge);
    if (!bell) {
      bell = { rung: false, waits: new Set() };
      this.#bells.set(edge, bell);
    }
    return bell;
  }

  /** Edges that nobody rings or waits for take no memory. */
  #tidy(edge: string, bell: Bell): void {
    if (!bell.rung && bell.waits.size === 0) this.#bells.delete(edge);
  }
}

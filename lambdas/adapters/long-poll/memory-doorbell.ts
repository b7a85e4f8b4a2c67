import { randomBytes } from "node:crypto";
import type { Doorbell, DoorbellListener } from "../../ports/doorbell.ts";

/** Waits per edge; with more the oldest ends, since an agent that reconnects leaves dead ones behind. */
const WAITS_PER_EDGE = 4;

/** `rings` so far, of which `heard` are acknowledged; `waits` are the callbacks that end the waits */
type Bell = { rings: number; heard: number; waits: Set<() => void> };

/**
 * The doorbell inside one process: rings reach the listeners of the same object. A ring wakes all waits of
 * its edge, since any of them may belong to a dead connection.
 */
export class MemoryDoorbell implements Doorbell {
  readonly #bells = new Map<string, Bell>();
  /** distinguishes the cursors of this process from those of earlier ones */
  readonly #id = randomBytes(6).toString("hex");

  async ring(edge: string): Promise<void> {
    const bell = this.#bell(edge);
    bell.rings++;
    for (const end of [...bell.waits]) end();
  }

  /** The listening end for one edge. */
  listen(edge: string): DoorbellListener {
    return {
      wait: async (ms, signal) => {
        const cursor = await this.waitAfter(edge, "", ms, signal);
        if (cursor === undefined) return false;
        this.heard(edge, cursor);
        return true;
      },
    };
  }

  /**
   * Waits for a ring after the acknowledged ones; returns a cursor, or undefined when there was none. Passing the
   * cursor as `after` (or to {@link heard}) acknowledges the ring; until then it stays.
   * A cursor of another process counts as a ring, since rings may have been lost with that process. "": no cursor yet.
   */
  async waitAfter(
    edge: string,
    after: string,
    ms: number,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const bell = this.#bell(edge);
    const known = this.heard(edge, after);
    if (known && bell.rings <= bell.heard && !signal?.aborted) await this.#wait(bell, ms, signal);
    if (signal?.aborted || (known && bell.rings <= bell.heard)) return undefined;
    return `${this.#id}.${bell.rings}`;
  }

  /** Acknowledges the ring of this cursor. False for a cursor of another process. */
  heard(edge: string, cursor: string): boolean {
    if (cursor === "") return true;
    const [id, rings] = cursor.split(".");
    if (id !== this.#id) return false;
    const bell = this.#bell(edge);
    bell.heard = Math.max(bell.heard, Math.min(bell.rings, Number(rings) || 0));
    return true;
  }

  #wait(bell: Bell, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        bell.waits.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener("abort", end);
      bell.waits.add(end);
      if (bell.waits.size > WAITS_PER_EDGE) bell.waits.values().next().value?.();
    });
  }

  #bell(edge: string): Bell {
    let bell = this.#bells.get(edge);
    if (!bell) {
      bell = { rings: 0, heard: 0, waits: new Set() };
      this.#bells.set(edge, bell);
    }
    return bell;
  }
}

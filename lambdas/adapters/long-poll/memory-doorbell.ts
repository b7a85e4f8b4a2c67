import { randomBytes } from "node:crypto";
import type { Doorbell, DoorbellListener } from "../../ports/doorbell.ts";

/** More waits than this on one edge and the oldest ends: an agent that reconnects leaves dead ones behind. */
const WAITS_PER_EDGE = 4;

/** `rings` so far, `heard` of them for certain; `waits` end when told */
type Bell = { rings: number; heard: number; waits: Set<() => void> };

/**
 * The doorbell inside one process: rings reach the listeners of the same object. A ring wakes every wait of
 * its edge, since any one of them may belong to a connection that is dead already.
 */
export class MemoryDoorbell implements Doorbell {
  readonly #bells = new Map<string, Bell>();
  /** sets the cursors of this process apart from those of the one before it */
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
   * Waits for a ring after those that were heard; returns a cursor, or undefined when there was none. The
   * cursor that comes back as `after` (or to {@link heard}) says that it arrived; until then the ring stays.
   * A cursor of another process counts as a ring: some may have been lost with it. "" is none yet.
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

  /** Notes that the ring of this cursor arrived. False when it is none of this process's. */
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

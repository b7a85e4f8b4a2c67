import type { Logger } from "pino";

export type UsageParts = {
  /** users that may hold something */
  users(): string[];
  /** users with pods that may be writing now */
  writing(): string[];
  /** bytes of a user's volumes, counted anew off the event loop */
  measureVolumes(user: string): Promise<number>;
  /** bytes of a user's images */
  images(user: string): Promise<number>;
  /** bytes that a user's pods hold outside their volumes */
  pods(user: string): Promise<number>;
  /** bytes that may still be written before the free-space floor is met */
  room(): number;
  /** byte quota per user, as the ground last said */
  quota(): number;
  /** stops the user's pods, reason `Evicted` */
  evict(user: string): Promise<void>;
  log: Logger;
};

/** What users hold on the edge, kept up to date, and the end of pods that write past their quota. */
export class Usage {
  readonly #parts: UsageParts;
  readonly #bytes = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #running = false;

  constructor(parts: UsageParts, intervalMs: number) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#watch(), intervalMs);
  }

  /** Bytes by user, as last measured. */
  all(): Record<string, number> {
    return Object.fromEntries(this.#bytes);
  }

  of(user: string): number {
    return this.#bytes.get(user) ?? 0;
  }

  /** Measures everybody: at the start. */
  async measureAll(): Promise<void> {
    for (const user of this.#parts.users()) await this.measure(user);
  }

  async measure(user: string): Promise<number> {
    try {
      const parts = await Promise.all([
        this.#parts.measureVolumes(user),
        this.#parts.images(user),
        this.#parts.pods(user),
      ]);
      const bytes = parts.reduce((sum, part) => sum + part, 0);
      if (bytes > 0) this.#bytes.set(user, bytes);
      else this.#bytes.delete(user);
      return bytes;
    } catch (error) {
      // The engine may be away: what was known stays known.
      this.#parts.log.warn({ err: error }, "usage was not measured");
      return this.of(user);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #watch(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      const held = new Map<string, number>();
      for (const user of this.#parts.writing()) {
        const bytes = await this.measure(user);
        if (bytes > this.#parts.quota()) {
          this.#parts.log.warn({ user }, "over quota: pods are stopped");
          await this.#parts.evict(user);
        } else held.set(user, bytes);
      }
      // Within every quota the disk may still fill up: whoever holds most writes no more.
      const [most] = [...held].sort(([, a], [, b]) => b - a);
      if (most && this.#parts.room() <= 0) {
        this.#parts.log.warn({ user: most[0] }, "no room on the disk: pods are stopped");
        await this.#parts.evict(most[0]);
      }
    } catch (error) {
      this.#parts.log.error({ err: error }, "usage watch failed");
    } finally {
      this.#running = false;
    }
  }
}

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
  /** bytes that the user's pods have written to disks since they began, as last measured; default: unknown */
  wrote?(user: string): number;
  /** bytes that may still be written before the free-space floor is met */
  room(): number;
  /** byte quota per user, as the ground last said */
  quota(): number;
  /** removes what was kept for a time that is over; users who had some of it. Default: there is nothing of that kind */
  expire?(): Promise<string[]>;
  /** stops the user's pods, reason `Evicted`: the user is over the quota, or the disk is full */
  evict(user: string, why: "quota" | "disk"): Promise<void>;
  /** volumes with a size of their own; default: there are none */
  volumes?: {
    /** the user's volumes that are over theirs, as last measured */
    over(user: string): string[];
    /** runs that may be writing to it */
    writers(user: string, volume: string): string[];
    /** stops them, reason `Evicted` */
    evict(runs: readonly string[]): void;
  };
  /** told after each measurement of a user */
  measured?(user: string): void;
  log: Logger;
};

/** What users hold on the edge, kept up to date, and the end of pods that write past their quota. */
export class Usage {
  readonly #parts: UsageParts;
  /** by user: bytes of volumes, images and pods */
  readonly #known = new Map<string, readonly number[]>();
  readonly #timer: NodeJS.Timeout;
  /** what users with running pods held, and had written, at the last look */
  #before = new Map<string, Look>();
  /** looks in a row at which the disk was full and nobody was seen to write */
  #unseen = 0;
  /** runs that wrote, at the last look, to volumes over their size */
  #over = new Set<string>();
  /** users whose volumes could not be measured at the last look */
  readonly #volumesFailed = new Set<string>();
  #running = false;

  constructor(parts: UsageParts, intervalMs: number) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#watch(), intervalMs);
  }

  /** Bytes by user, as last measured. */
  all(): Record<string, number> {
    return Object.fromEntries([...this.#known.keys()].map((user) => [user, this.of(user)]));
  }

  of(user: string): number {
    return (this.#known.get(user) ?? []).reduce((sum, part) => sum + part, 0);
  }

  /** Measures everybody: at the start. */
  async measureAll(): Promise<void> {
    for (const user of this.#parts.users()) await this.measure(user);
  }

  /** Where a part cannot be measured, as when the engine is away, what was known of that part stays known. */
  async measure(user: string): Promise<number> {
    const parts = await Promise.allSettled([
      this.#parts.measureVolumes(user),
      this.#parts.images(user),
      this.#parts.pods(user),
    ]);
    if (parts[0].status === "rejected") this.#volumesFailed.add(user);
    else this.#volumesFailed.delete(user);
    const before = this.#known.get(user) ?? [];
    const known = parts.map((part, i) => (part.status === "fulfilled" ? part.value : (before[i] ?? 0)));
    if (known.some((bytes) => bytes > 0)) this.#known.set(user, known);
    else this.#known.delete(user);
    const failed = parts.find((part) => part.status === "rejected");
    if (failed) this.#parts.log.warn({ err: failed.reason }, "usage was not measured whole");
    else this.#parts.measured?.(user);
    return this.of(user);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #watch(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (const user of (await this.#parts.expire?.()) ?? []) await this.measure(user);
      const looks = new Map<string, Look>();
      const over = new Set<string>();
      for (const user of this.#parts.writing()) {
        const bytes = await this.measure(user);
        if (bytes > this.#parts.quota()) {
          this.#parts.log.warn({ user }, "over quota: pods are stopped");
          await this.#parts.evict(user, "quota");
        } else looks.set(user, { bytes, wrote: this.#parts.wrote?.(user) ?? 0 });
        for (const run of this.#writersOver(user)) over.add(run);
      }
      this.#over = over;
      const before = this.#before;
      this.#before = looks;
      if (this.#parts.room() > 0) this.#unseen = 0;
      else await this.#makeRoom(looks, before);
    } catch (error) {
      this.#parts.log.error({ err: error }, "usage watch failed");
    } finally {
      this.#running = false;
    }
  }

  /**
   * Stops who writes to a volume that is over its size at a second look: a program that is started on one that is full
   * has the time between to make room. @returns those that may write to one
   */
  #writersOver(user: string): string[] {
    const { volumes, log } = this.#parts;
    if (!volumes) return [];
    const writers = volumes.over(user).flatMap((volume) => volumes.writers(user, volume));
    const again = writers.filter((run) => this.#over.has(run));
    // what an earlier look has seen is no second look: who was seen then is so until one says otherwise
    if (this.#volumesFailed.has(user)) return again;
    if (again.length > 0) {
      log.warn({ user, runs: again }, "a volume is over its size: who writes to it is stopped");
      volumes.evict(again);
    }
    return writers;
  }

  /** Within every quota the disk may still fill up: whoever writes stops, and not whoever has most. */
  async #makeRoom(looks: Map<string, Look>, before: Map<string, Look>): Promise<void> {
    const writer = fillsMost(looks, before);
    this.#unseen = writer === undefined ? this.#unseen + 1 : 0;
    const [most] = [...looks].sort(([, a], [, b]) => b.bytes - a.bytes);
    const user = writer ?? (this.#unseen >= UNSEEN_LOOKS ? most?.[0] : undefined);
    if (user === undefined) return;
    this.#unseen = 0;
    this.#parts.log.warn({ user }, "no room on the disk: pods are stopped");
    await this.#parts.evict(user, "disk");
  }
}

/** `bytes` held, `wrote` in all */
type Look = { bytes: number; wrote: number };

/** With nobody seen to write for so long, whoever holds most is stopped: some of it goes with the pods. */
const UNSEEN_LOOKS = 3;

/**
 * Who holds more than at the look before, most of all; else whose pods wrote most since then: they may hold it where
 * nobody counts. Undefined when nobody did.
 */
function fillsMost(looks: Map<string, Look>, before: Map<string, Look>): string | undefined {
  const most = (of: (look: Look) => number, least: number) =>
    [...looks]
      .map(([user, look]) => ({ user, more: of(look) - of(before.get(user) ?? { bytes: 0, wrote: 0 }) }))
      .filter(({ user, more }) => before.has(user) && more >= least)
      .sort((a, b) => b.more - a.more)[0]?.user;
  return most(({ bytes }) => bytes, LEAST) ?? most(({ wrote }) => wrote, LEAST);
}

/** A log line now and then fills no disk. */
const LEAST = 64 * 1024;

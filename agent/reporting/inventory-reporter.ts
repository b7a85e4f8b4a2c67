import { createHash } from "node:crypto";
import type { Logger } from "pino";
import { boundedInventory } from "#protocol/bounded-inventory.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { FpgaLoad } from "#protocol/fpga-device.ts";
import type { ImageEntry, InventoryReport, VolumeEntry } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import { refusesContent } from "../ground/refuses-content.ts";

export type InventoryDeps = {
  images(user: string): Promise<ImageEntry[]>;
  volumes(user: string): VolumeEntry[];
  /** images for FPGAs that are held, and loads, the latest first */
  fpga(user: string): { images: string[]; loads: FpgaLoad[] };
  send(report: InventoryReport): Promise<void>;
  log: Logger;
  /** ms, of any clock that goes on */
  now?(): number;
};

/** entries of one kind in a report */
const MOST = 1000;
/** An older ground takes no reports (ms); it may have been updated meanwhile. */
const AGAIN_MS = 600_000;

/**
 * Tells the ground which images and volumes its users have, each user's whole list when it has changed. A list that
 * could not be told is made anew when there is contact again, so that what waits is only names of users.
 */
export class InventoryReporter {
  readonly #deps: InventoryDeps;
  /** users whose lists may have changed since they were told, with their images where those were just listed */
  readonly #changed = new Map<string, ImageEntry[] | undefined>();
  /** hash of what was told last, by user */
  readonly #told = new Map<string, string>();
  readonly #closed = new AbortController();
  #sending: Promise<void> | undefined;
  #begun = false;
  /** the ground takes no reports: until when it is not asked again */
  #refusedUntil: number | undefined;
  /** reports wait for contact */
  #waiting = false;

  constructor(deps: InventoryDeps) {
    this.#deps = deps;
  }

  /** Everybody was looked at once: from now on what is not reported has not changed. */
  begun(): void {
    this.#begun = true;
  }

  /** Was everything told that has changed so far? */
  get isCurrent(): boolean {
    return this.#begun && this.#sending === undefined && this.#refusedUntil === undefined;
  }

  /** Something of the user may have changed. @param images what the user has of them now, if that is known */
  changed(user: string, images?: ImageEntry[]): void {
    if (this.#closed.signal.aborted) return;
    const refused = this.#refusedUntil !== undefined;
    this.#changed.set(user, this.#waiting || refused ? undefined : images);
    if (refused && this.#now() < this.#refusedUntil!) return;
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#sending;
  }

  async #drain(): Promise<void> {
    const { log } = this.#deps;
    const backoff = new Backoff();
    // In the next turn, so that what changed together is told together.
    await Promise.resolve();
    for (const [user, listed] of this.#changed) {
      if (this.#closed.signal.aborted) return;
      // Taken out before it is looked at: what changes meanwhile is told again.
      this.#changed.delete(user);
      try {
        await this.#tell(user, listed);
        this.#waiting = false;
        this.#refusedUntil = undefined;
        backoff.reset();
      } catch (error) {
        if (error instanceof PerigeeError && error.code === "NOT_FOUND") {
          if (this.#refusedUntil === undefined) {
            log.warn("the ground takes no reports of images and volumes: it is older than this agent");
          }
          this.#refusedUntil = this.#now() + AGAIN_MS;
          for (const other of [user, ...this.#changed.keys()]) this.#changed.set(other, undefined);
          return;
        }
        if (refusesContent(error)) {
          // Told again when it is another one: what waits for it is not only its user.
          log.error({ err: error, user }, "the ground refuses a report of images and volumes");
          continue;
        }
        this.#waiting = true;
        for (const other of [user, ...this.#changed.keys()]) this.#changed.set(other, undefined);
        if (backoff.tries === 0) log.warn({ err: error }, "images and volumes wait to be reported");
        await backoff.wait(this.#closed.signal);
      }
    }
  }

  async #tell(user: string, listed: ImageEntry[] | undefined): Promise<void> {
    const [images, volumes] = [listed ?? (await this.#deps.images(user)), this.#deps.volumes(user)];
    const fpga = this.#deps.fpga(user);
    const report: InventoryReport = boundedInventory({
      user,
      images: images.slice(0, MOST),
      volumes: volumes.slice(0, MOST),
      ...(fpga.images.length + fpga.loads.length > 0 && {
        fpga: { images: fpga.images.slice(0, MOST), loads: fpga.loads.slice(0, MOST) },
      }),
      truncated: images.length > MOST || volumes.length > MOST,
    });
    const hash = createHash("sha256").update(JSON.stringify(report)).digest("base64url");
    if (this.#told.get(user) === hash) return;
    try {
      await this.#deps.send(report);
    } catch (error) {
      if (refusesContent(error)) this.#told.set(user, hash);
      throw error;
    }
    this.#told.set(user, hash);
  }

  #now(): number {
    return this.#deps.now?.() ?? performance.now();
  }
}

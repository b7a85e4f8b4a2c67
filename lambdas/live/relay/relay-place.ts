import type { Logger } from "pino";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { ConditionFailed, type LedgerStore } from "../../ports/ledger-store.ts";
import { RELAY_RECORD, type RelayRecord } from "./has-relay.ts";

/** The field of the lines of log that say whether the record is held: an alarm counts those where it is true. */
export const RELAY_HELD = "relayHeld";

/** Whether this process is the deployment's one relay. */
export interface RelayPlace {
  readonly held: boolean;
  /** Told when it is held no more, and each time it is held anew. */
  onChange(listener: (held: boolean) => void): void;
  close(): Promise<void>;
}

/** The one server of its data is the relay. */
export class SolePlace implements RelayPlace {
  readonly held = true;
  onChange(): void {}
  async close(): Promise<void> {}
}

export type StoredPlaceOptions = {
  /** ms between renewals (default 10 s) */
  renewMs?: number;
  /** ms without a change after which another takes over (default 30 s) */
  takeOverMs?: number;
  /** ms between two lines of log that say that it is held (default 30 s): what counts them sees when they end */
  tellMs?: number;
  /** ms of a monotonic clock */
  clock?: () => number;
};

/**
 * One of several servers is the relay: it holds a record in the store and renews it; another takes over when it saw it
 * unchanged for a while by its own monotonic clock.
 */
export class StoredPlace implements RelayPlace {
  readonly #store: LedgerStore;
  readonly #of: { id: string; now: () => number; log: Logger };
  readonly #options: Required<StoredPlaceOptions>;
  readonly #listeners: ((held: boolean) => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #held: { rev: number; since: number; n: number } | undefined;
  #seen: { rev: number; at: number } | undefined;
  #told: { held: boolean; at: number } = { held: false, at: 0 };
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(
    store: LedgerStore,
    of: { id: string; now: () => number; log: Logger },
    options: StoredPlaceOptions = {},
  ) {
    this.#store = store;
    this.#of = of;
    this.#options = {
      renewMs: LIVE_LIMITS.relayRenewMs,
      takeOverMs: LIVE_LIMITS.relayTakeOverMs,
      tellMs: 30_000,
      clock: () => performance.now(),
      ...options,
    };
  }

  /** Looks at once, and from then on. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.look(), this.#options.renewMs);
  }

  /** Nobody else can have taken over yet. */
  get held(): boolean {
    return this.#held !== undefined && this.#options.clock() - this.#held.since < this.#options.takeOverMs;
  }

  onChange(listener: (held: boolean) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
    if (this.#held)
      await this.#store.transact([{ delete: RELAY_RECORD, if: this.#held.rev }]).catch(() => {});
    this.#held = undefined;
    this.#tell();
  }

  /** Renews the record, or looks whether it can be taken. Never throws. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#of.log.warn({ err: error }, "the relay's record could not be kept"))
      .finally(() => {
        this.#looking = undefined;
        this.#tell();
      });
    return this.#looking;
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const { clock, takeOverMs } = this.#options;
    const since = clock();
    const { id } = this.#of;
    if (this.#held) {
      const { rev, n, since: before } = this.#held;
      await this.#put(rev, since, n + 1);
      if (this.#held) return;
      // it may be ours: written by a renewal whose answer was lost
      const written = await this.#store.get<RelayRecord>(RELAY_RECORD);
      if (written?.data.holder !== id) return;
      this.#held = { rev: written.rev, since: before, n: written.data.n };
      await this.#put(written.rev, since, written.data.n + 1);
      return;
    }
    const item = await this.#store.get<RelayRecord>(RELAY_RECORD);
    if (!item) await this.#put(0, since, 1);
    else if (this.#seen?.rev !== item.rev) this.#seen = { rev: item.rev, at: since };
    else if (since - this.#seen.at >= takeOverMs) await this.#put(item.rev, since, item.data.n + 1);
  }

  async #put(rev: number, since: number, n: number): Promise<void> {
    const data: RelayRecord = { holder: this.#of.id, n, at: this.#of.now() };
    try {
      await this.#store.transact([{ put: { ...RELAY_RECORD, data }, if: rev }]);
      this.#held = { rev: rev + 1, since, n };
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      this.#held = undefined;
      this.#seen = undefined;
    }
  }

  #tell(): void {
    const { held } = this;
    const now = this.#options.clock();
    const changed = held !== this.#told.held;
    if (!changed && !(held && now - this.#told.at >= this.#options.tellMs)) return;
    this.#told = { held, at: now };
    this.#of.log.info(
      { [RELAY_HELD]: held },
      held ? "this server is the relay" : "this server is the relay no more",
    );
    if (changed) for (const listener of this.#listeners) listener(held);
  }
}

import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { Serial } from "#protocol/serial.ts";

export type BudgetDeps = {
  /** bytes of the user's volumes and images as last measured; undefined: they never were */
  known(user: string): Promise<number | undefined>;
  /** the same, and what the user's pods hold beside them, measured now */
  measure(user: string): Promise<number>;
  /** byte quota per user, as the ground last said */
  quota(): number;
};

/** Bytes of a user's quota that are spoken for until this is disposed of. */
export type Reservation = Disposable & {
  readonly bytes: number;
  /**
   * Runs `work`, which stores the bytes, and then releases the reservation. No usage is measured in between, so the
   * bytes are never counted twice or not at all.
   * @param bytes gives how many bytes are stored beyond the reservation, where that is only known now
   * @throws QUOTA_EXCEEDED before `work`; what either of them throws
   */
  land<T>(work: () => Promise<T>, bytes?: () => Promise<number>): Promise<T>;
};

/**
 * The one place on the edge that gives out a user's quota: over volumes, images, and what is under way to either. There
 * is no check that could be overtaken: what was let in is counted from that moment on.
 *
 * @example
 * using reserved = await budget.reserve(user, bytes);
 * await receive();
 * await reserved.land(() => putInPlace());
 */
export class Budget {
  readonly #deps: BudgetDeps;
  readonly #reserved = new Map<string, Set<Held>>();
  /** one check of a user's at a time */
  readonly #turns = new Serial();

  constructor(deps: BudgetDeps) {
    this.#deps = deps;
  }

  /** Bytes that one user may have. */
  get quota(): number {
    return this.#deps.quota();
  }

  /**
   * Reserves `bytes` of the user's quota. A negative number means that the command frees more than it adds; undefined
   * means that the size is not known yet, and then at least one byte has to be free.
   * @throws PerigeeError QUOTA_EXCEEDED
   */
  reserve(user: string, bytes: number | undefined): Promise<Reservation> {
    return this.#turns.run(user, async () => {
      await this.#assertFits(user, bytes ?? 1);
      return this.take(user, bytes ?? 0);
    });
  }

  /** Counts bytes that are past refusing: an earlier life let them in, and they only go forward. */
  take(user: string, bytes: number): Reservation {
    const held: Held = { bytes: Math.max(0, bytes) };
    const mine = this.#reserved.get(user) ?? new Set();
    this.#reserved.set(user, mine.add(held));
    const release = () => {
      mine.delete(held);
      if (mine.size === 0 && this.#reserved.get(user) === mine) this.#reserved.delete(user);
    };
    return {
      bytes: held.bytes,
      land: (work, more) =>
        this.#turns.run(user, async () => {
          const bytes = (await more?.()) ?? 0;
          if (bytes > 0) await this.#assertFits(user, bytes);
          try {
            return await work();
          } finally {
            release();
          }
        }),
      [Symbol.dispose]: release,
    };
  }

  /** Bytes of the user that are on their way. */
  reserved(user: string): number {
    return [...(this.#reserved.get(user) ?? [])].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async #assertFits(user: string, more: number): Promise<void> {
    const fits = (held: number) => held + this.reserved(user) + more <= this.quota;
    const known = await this.#deps.known(user);
    // the last measurement may be old: measure again before refusing
    if (known !== undefined && fits(known)) return;
    if (!fits(await this.#deps.measure(user))) throw byteQuotaExceeded();
  }
}

type Held = { readonly bytes: number };

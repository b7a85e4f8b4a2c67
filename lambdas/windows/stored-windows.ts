import { arrangeWindows, type ContactWindow, type WindowPlan } from "#protocol/contact-window.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Key, LedgerStore } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";

/** Read with every heartbeat, so it holds nothing else. */
type HeadRecord = { revision: number };
type PlanRecord = { windows: ContactWindow[] };

/**
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `edge#<edge>` | `windows` | {@link HeadRecord}; absent: the edge never had a plan |
 * | `windows#<edge>` | `plan` | {@link PlanRecord} |
 */
const keys = {
  head: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "windows" }),
  plan: (edge: string): Key => ({ pk: `windows#${edge}`, sk: "plan" }),
};

export type StoredWindowsDeps = { store: LedgerStore; now: () => number };

/** Plans of contact windows, one for each edge, over the ledger's store. */
export class StoredWindows {
  readonly #store: LedgerStore;
  readonly #now: () => number;

  constructor({ store, now }: StoredWindowsDeps) {
    this.#store = store;
    this.#now = now;
  }

  /** The revision of an edge's plan; undefined where there never was one. */
  async revision(edge: string): Promise<number | undefined> {
    return (await this.#store.get<HeadRecord>(keys.head(edge)))?.data.revision;
  }

  /** The plan of an edge without the windows that are over; undefined where there never was one. */
  async plan(edge: string): Promise<WindowPlan | undefined> {
    return (await this.#read(edge)).plan;
  }

  /**
   * Replaces the plan by what `change` makes of its windows and revision (0: there is none), in one transaction.
   * @returns the new plan; the old one where `change` left everything as it was, with revision 0 where there is none
   * @throws PerigeeError INVALID_PARAMETERS for more than LIMITS.windows
   */
  change(
    edge: string,
    change: (windows: ContactWindow[], revision: number) => ContactWindow[],
  ): Promise<WindowPlan> {
    return optimistically(async () => {
      const { plan, head, rev } = await this.#read(edge);
      const before = plan?.windows ?? [];
      const windows = arrangeWindows(change(before, plan?.revision ?? 0), this.#now());
      if (windows.length > LIMITS.windows) {
        throw new PerigeeError(
          "INVALID_PARAMETERS",
          `A plan has at most ${LIMITS.windows} windows; this one would have ${windows.length}`,
        );
      }
      if (JSON.stringify(windows) === JSON.stringify(before)) return plan ?? { revision: 0, windows };
      const revision = (plan?.revision ?? 0) + 1;
      await this.#store.transact([
        { put: { ...keys.head(edge), data: { revision } satisfies HeadRecord }, if: head },
        { put: { ...keys.plan(edge), data: { windows } satisfies PlanRecord }, if: rev },
      ]);
      return { revision, windows };
    });
  }

  async #read(edge: string): Promise<{ plan: WindowPlan | undefined; head: number; rev: number }> {
    const [head, item] = await Promise.all([
      this.#store.get<HeadRecord>(keys.head(edge)),
      this.#store.get<PlanRecord>(keys.plan(edge)),
    ]);
    const now = this.#now();
    const windows = (item?.data.windows ?? []).filter(({ end }) => end > now);
    return {
      plan: head && { revision: head.data.revision, windows },
      head: head?.rev ?? 0,
      rev: item?.rev ?? 0,
    };
  }
}

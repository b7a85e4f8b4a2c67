import type { Step } from "#lambdas/adapters/steps.ts";
import type { Write } from "#lambdas/ports/ledger-store.ts";
import { MemoryStore, MemoryTable } from "#test/support/memory-store.ts";
import type { SimProcess } from "./sim-process.ts";

/** A table in memory, whose every transaction is looked at as it lands. */
export class WatchedTable extends MemoryTable {
  readonly #landed: (steps: readonly Step[]) => void;

  constructor(landed: (steps: readonly Step[]) => void) {
    super();
    this.#landed = landed;
  }

  override land(steps: Step[]): void {
    super.land(steps);
    this.#landed(steps);
  }
}

/** A ground process's connection to the table, with which the process dies at a transaction on order. */
export class SimStore extends MemoryStore {
  readonly #process: SimProcess;
  #kill: { after: number; landed: boolean } | undefined;

  constructor(table: WatchedTable, process: SimProcess) {
    super(table);
    this.#process = process;
  }

  /** The process dies at its `after`-th transaction from now (1: the next), which `landed` or not. */
  killAt(after: number, landed: boolean): void {
    this.#kill = { after, landed };
  }

  override async transact(writes: Write[]): Promise<void> {
    const kill = this.#kill;
    if (kill) kill.after -= 1;
    const dies = kill?.after === 0;
    if (!dies || kill.landed) await super.transact(writes);
    if (dies) this.#process.kill();
    // the answer has its way too: who dies meanwhile does not know that it landed
    await new Promise(setImmediate);
  }
}

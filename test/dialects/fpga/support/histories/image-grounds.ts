import { pino } from "pino";
import { MemoryDoorbell } from "#lambdas/adapters/long-poll/memory-doorbell.ts";
import { StoredObjects } from "#lambdas/adapters/stored-objects.ts";
import { fpga } from "#lambdas/dialects/fpga/dialect.ts";
import { partsOf } from "#lambdas/dialects/fpga/parts.ts";
import { createGround, type Ground } from "#lambdas/ground.ts";
import type { Write } from "#lambdas/ports/ledger-store.ts";
import { type MemoryObjects, MemoryStaging } from "#test/support/memory-staging.ts";
import { Killed, MemoryStore, MemoryTable } from "#test/support/memory-store.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";

const LOG = pino({ level: process.env.PERIGEE_TEST_LOG ? "warn" : "silent" });

/** A process's connection to the table, which tells when the process has died with a transaction, and may lose its answer. */
class MortalStore extends MemoryStore {
  isDead = false;
  #left = 0;

  /** The `n`-th transaction from now (1: the next) lands, and the process does not learn of it. */
  loseAnswer(n: number): void {
    this.#left = n;
  }

  override async transact(writes: Write[]): Promise<void> {
    try {
      await super.transact(writes);
      if (this.#left > 0 && --this.#left === 0) throw new Error("the table's answer was lost");
    } catch (error) {
      if (error instanceof Killed) this.isDead = true;
      throw error;
    }
  }
}

/** What outlives every process: table, staging, users' objects, and the time. */
export class Lasting {
  readonly table = new MemoryTable();
  readonly staged: MemoryObjects = new Map();
  readonly objects: MemoryObjects = new Map();
  now = Date.UTC(2026, 0, 1);
}

/**
 * A ground as a process that can be killed at a transaction. The `api` answers requests, and leaves files to the `worker`,
 * as in AWS.
 */
export class ImageGround {
  readonly store: MortalStore;
  readonly ground: Ground;

  constructor(lasting: Lasting, kind: "api" | "worker") {
    const store = new MortalStore(lasting.table);
    this.store = store;
    // who is dead removes nothing either
    const mortal = <T extends object>(of: T): T =>
      new Proxy(of, {
        get(target, name) {
          if (store.isDead) throw new Killed();
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    const staging = new MemoryStaging(lasting.staged);
    const copy = (from: MemoryObjects, to: MemoryObjects) => async (source: string, target: string) => {
      // as the stores do: missing is told
      const { size } = await new MemoryStaging(from).get(source);
      to.set(target, from.get(source)!);
      return size;
    };
    const objects = new StoredObjects({
      store: new MemoryStaging(lasting.objects),
      toStaging: copy(lasting.objects, lasting.staged),
      fromStaging: copy(lasting.staged, lasting.objects),
    });
    this.ground = createGround({
      ...{ store, staging: mortal(staging), objects: mortal(objects), doorbell: new MemoryDoorbell() },
      ...{ log: LOG, dialects: [fpga], now: () => lasting.now },
      tokens: [{ kid: "test", secret: Buffer.alloc(32, 7) }],
      sealKeys: [Buffer.alloc(32, 1)],
      passwordCost: QUICK_PASSWORDS,
      ...(kind === "api" && { worker: { wake: async () => {} } }),
    });
  }

  get core() {
    return this.ground.dialects[0]!.core;
  }

  get parts() {
    return partsOf(this.core);
  }

  get isDead(): boolean {
    return this.store.isDead;
  }
}

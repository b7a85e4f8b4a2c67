import { canHold, type Step, toSteps } from "#lambdas/adapters/steps.ts";
import {
  ConditionFailed,
  type Item,
  type Key,
  type LedgerStore,
  type Query,
  type Write,
} from "#lambdas/ports/ledger-store.ts";

/** What a process that was killed in the middle of a call sees: nothing. */
export class Killed extends Error {
  override readonly name = "Killed";
}

type Row = { rev: number; expiresAt?: number | undefined; json: string };

/** A table in memory: as many stores as a test wants open it, each as a process of its own that can be killed. */
export class MemoryTable {
  readonly #rows = new Map<string, Map<string, Row>>();

  open(): MemoryStore {
    return new MemoryStore(this);
  }

  /** Fills the table with items as another one held them. */
  load(items: readonly Item[]): void {
    for (const { pk, sk, rev, expiresAt, data } of items) {
      const rows = this.#rows.get(pk) ?? new Map<string, Row>();
      this.#rows.set(pk, rows.set(sk, { rev, expiresAt, json: JSON.stringify(data) }));
    }
  }

  /** Everything that it holds. */
  items(): Item[] {
    return [...this.#rows].flatMap(([pk, rows]) => [...rows].map(([sk, row]) => item({ pk, sk }, row)));
  }

  get(key: Key): Row | undefined {
    return this.#rows.get(key.pk)?.get(key.sk);
  }

  /** Rows of one partition, in the order of their sort keys. */
  partition(pk: string): [sk: string, row: Row][] {
    const rows = [...(this.#rows.get(pk) ?? [])];
    return rows.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  /** All writes or none. @throws ConditionFailed */
  land(steps: Step[]): void {
    const failed = steps.findIndex((step) => {
      return step.if !== undefined && (this.get(step.key)?.rev ?? 0) !== step.if;
    });
    if (failed >= 0) throw new ConditionFailed(failed);
    for (const step of steps) {
      const { pk, sk } = step.key;
      if (step.kind === "delete") this.#rows.get(pk)?.delete(sk);
      if (step.kind !== "put") continue;
      const rows = this.#rows.get(pk) ?? new Map<string, Row>();
      this.#rows.set(pk, rows);
      rows.set(sk, { rev: (rows.get(sk)?.rev ?? 0) + 1, expiresAt: step.expiresAt, json: step.data });
    }
  }

  sweep(now: number, limit: number): number {
    let swept = 0;
    for (const rows of this.#rows.values()) {
      for (const [sk, row] of rows) {
        if (row.expiresAt === undefined || row.expiresAt >= now || swept >= limit) continue;
        rows.delete(sk);
        swept++;
      }
    }
    return swept;
  }
}

/** One process's connection to a {@link MemoryTable}. Counts its calls, and can be killed at any of them. */
export class MemoryStore implements LedgerStore {
  readonly #table: MemoryTable;
  /** each call so far: `get`, `query`, `transact` with the sort keys that it names */
  readonly calls: string[] = [];
  #transactions = 0;
  #kill: { at: number; landed: boolean } | undefined;
  #dead = false;

  constructor(table: MemoryTable) {
    this.#table = table;
  }

  /** The `n`-th transaction from now (1: the next) is the last thing that this process does; `landed`: it commits. */
  killAtTransaction(n: number, landed: boolean): void {
    this.#kill = { at: this.#transactions + n, landed };
  }

  async get<T>(key: Key): Promise<Item<T> | undefined> {
    await this.#turn(`get ${key.sk}`);
    const row = canHold(key) ? this.#table.get(key) : undefined;
    return row && item<T>(key, row);
  }

  async query<T>({ pk, prefix = "", after, before, descending, limit, known }: Query): Promise<Item<T>[]> {
    await this.#turn(`query ${pk}`);
    const bytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    const rows = this.#table
      .partition(pk)
      .filter(([sk]) => sk.startsWith(prefix))
      .filter(([sk]) => after === undefined || bytes(sk, after) > 0)
      .filter(([sk]) => before === undefined || bytes(sk, before) < 0);
    if (descending) rows.reverse();
    return rows.slice(0, Math.max(0, limit)).map(([sk, row]) => {
      const one = item<T>({ pk, sk }, row);
      return { ...one, data: (known?.(sk, row.rev) as T | undefined) ?? one.data };
    });
  }

  async transact(writes: Write[]): Promise<void> {
    const steps = toSteps(writes);
    await this.#turn(`transact ${steps.map(({ key }) => key.sk).join(" ")}`);
    this.#transactions++;
    const kill = this.#kill?.at === this.#transactions ? this.#kill : undefined;
    if (!kill || kill.landed) this.#table.land(steps);
    if (!kill) return;
    this.#dead = true;
    throw new Killed();
  }

  async sweep(now: number, limit: number): Promise<number> {
    await this.#turn("sweep");
    return this.#table.sweep(now, limit);
  }

  async close(): Promise<void> {
    this.#dead = true;
  }

  /** Others have their turn between any two calls, as they do between requests. */
  async #turn(call: string): Promise<void> {
    await new Promise(setImmediate);
    if (this.#dead) throw new Killed();
    this.calls.push(call);
  }
}

function item<T>(key: Key, { rev, expiresAt, json }: Row): Item<T> {
  const data = JSON.parse(json) as T;
  return { pk: key.pk, sk: key.sk, rev, ...(expiresAt !== undefined && { expiresAt }), data };
}

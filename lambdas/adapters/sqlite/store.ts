import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { PerigeeError } from "#protocol/errors.ts";
import type { Write } from "../../ports/ledger-store.ts";
import {
  ConditionFailed,
  type Item,
  type Key,
  type LedgerStore,
  type Query,
} from "../../ports/ledger-store.ts";
import { sortKeyRange } from "../dynamodb/sort-key-range.ts";
import { type Step, toSteps } from "../steps.ts";
import { isBusy, isFull, openSqliteFile } from "./file.ts";

/** How long a call retries while other processes lock the file, in ms. */
const BUSY_LIMIT_MS = 10_000;

type Row = { rev: number; expires_at: number | null; data: string };
/** As lists are read: without names for each of them. */
type ListedRow = [sk: string, rev: number, expiresAt: number | null, data: string];
type Pending = { steps: Step[]; resolve: () => void; reject: (error: unknown) => void };

/**
 * The ledger's table in one SQLite file, shared by several processes. Transactions of the same turn of the event loop
 * share one commit, and so one fsync; each still succeeds or fails alone.
 */
export class SqliteStore implements LedgerStore {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #get: StatementSync;
  readonly #rev: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #sweep: StatementSync;
  readonly #queries = new Map<string, StatementSync>();
  #pending: Pending[] = [];
  #flushing: Promise<void> | undefined;
  #closed = false;

  /**
   * Opens the file at `path`, or creates it with mode 0600.
   * @param options.maxBytes bound of the file; a write beyond it is STORAGE_FULL (default: the disk)
   * @throws Error when it was written by a newer version, or stays locked by another process for 10 s
   */
  constructor(path: string, options: { maxBytes?: number } = {}) {
    const db = openSqliteFile(path, options.maxBytes);
    this.#db = db;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#rollback = db.prepare("ROLLBACK");
    this.#get = db.prepare("SELECT rev, expires_at, data FROM items WHERE pk = ? AND sk = ?");
    this.#rev = db.prepare("SELECT rev FROM items WHERE pk = ? AND sk = ?");
    this.#put = db.prepare(
      `INSERT INTO items (pk, sk, rev, expires_at, data) VALUES (?, ?, 1, ?, ?)
       ON CONFLICT (pk, sk) DO UPDATE SET rev = rev + 1, expires_at = excluded.expires_at, data = excluded.data`,
    );
    this.#delete = db.prepare("DELETE FROM items WHERE pk = ? AND sk = ?");
    this.#sweep = db.prepare(
      `DELETE FROM items WHERE (pk, sk) IN
       (SELECT pk, sk FROM items WHERE expires_at < ? ORDER BY expires_at LIMIT ?)`,
    );
  }

  async get<T>(key: Key): Promise<Item<T> | undefined> {
    const row = await this.#patiently(() => this.#get.get(key.pk, key.sk) as Row | undefined);
    return row && toItem<T>(key, row.rev, row.expires_at, JSON.parse(row.data));
  }

  async query<T>(query: Query): Promise<Item<T>[]> {
    const { from, inclusive, to } = sortKeyRange(query);
    const order = query.descending ? "DESC" : "ASC";
    const statement = this.#prepared(
      `SELECT sk, rev, expires_at, data FROM items WHERE pk = ? AND sk ${inclusive ? ">=" : ">"} ?` +
        `${to === undefined ? "" : " AND sk < ?"} ORDER BY sk ${order} LIMIT ?`,
    );
    // For SQLite a negative LIMIT means no limit.
    const limit = Math.max(0, query.limit);
    const parameters = to === undefined ? [query.pk, from, limit] : [query.pk, from, to, limit];
    const rows = await this.#patiently(() => statement.all(...parameters) as unknown as ListedRow[]);
    const { pk, known } = query;
    return rows.map(([sk, rev, expiresAt, data]) =>
      toItem<T>({ pk, sk }, rev, expiresAt, known?.(sk, rev) ?? JSON.parse(data)),
    );
  }

  async transact(writes: Write[]): Promise<void> {
    this.#assertOpen();
    const steps = toSteps(writes);
    if (steps.length === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.push({ steps, resolve, reject });
    this.#flushing ??= this.#flush();
    return promise;
  }

  async sweep(now: number, limit: number): Promise<number> {
    return Number((await this.#patiently(() => this.#sweep.run(now, Math.max(0, limit)))).changes);
  }

  /** Waits for earlier calls, then closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing;
    this.#db.close();
  }

  async #flush(): Promise<void> {
    // All transactions of this turn of the event loop join the commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#land(batch);
      } catch (error) {
        // A transaction that does not fit must not fail the others of the same commit.
        if (batch.length > 1 && !isBusy(error)) for (const one of batch) await this.#landAlone(one);
        else for (const { reject } of batch) reject(this.#explained(error));
      }
    }
    this.#flushing = undefined;
  }

  async #land(batch: Pending[]): Promise<void> {
    await this.#retrying(() => this.#begin.run());
    for (const settle of this.#commitBatch(batch)) settle();
  }

  async #landAlone(one: Pending): Promise<void> {
    try {
      await this.#land([one]);
    } catch (error) {
      one.reject(this.#explained(error));
    }
  }

  /** Inside a write transaction: applies those of the batch whose conditions hold, and ends the transaction. */
  #commitBatch(batch: Pending[]): (() => void)[] {
    const settled: (() => void)[] = [];
    let wrote = false;
    try {
      for (const { steps, resolve, reject } of batch) {
        const failed = steps.findIndex((step) => !this.#holds(step));
        if (failed >= 0) {
          settled.push(() => reject(new ConditionFailed(failed)));
          continue;
        }
        for (const step of steps) wrote = this.#apply(step) || wrote;
        settled.push(resolve);
      }
      (wrote ? this.#commit : this.#rollback).run();
    } catch (error) {
      // Some errors roll back by themselves.
      if (this.#db.isTransaction) this.#rollback.run();
      throw error;
    }
    return settled;
  }

  #holds(step: Step): boolean {
    if (step.if === undefined) return true;
    const row = this.#rev.get(step.key.pk, step.key.sk);
    return (row === undefined ? 0 : row.rev) === step.if;
  }

  #apply(step: Step): boolean {
    const { pk, sk } = step.key;
    if (step.kind === "put") this.#put.run(pk, sk, step.expiresAt ?? null, step.data);
    else if (step.kind === "delete") this.#delete.run(pk, sk);
    return step.kind !== "check";
  }

  #prepared(sql: string): StatementSync {
    const known = this.#queries.get(sql);
    if (known) return known;
    const statement = this.#db.prepare(sql);
    statement.setReturnArrays(true);
    this.#queries.set(sql, statement);
    return statement;
  }

  async #patiently<R>(call: () => R): Promise<R> {
    this.#assertOpen();
    try {
      return await this.#retrying(call);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Retries a statement while another process holds a lock, without blocking the event loop. */
  async #retrying<R>(call: () => R): Promise<R> {
    let until: number | undefined;
    for (;;) {
      try {
        return call();
      } catch (error) {
        if (!isBusy(error)) throw error;
        until ??= performance.now() + BUSY_LIMIT_MS;
        if (performance.now() > until) throw error;
        await sleep(1 + Math.random() * 20);
      }
    }
  }

  #explained(error: unknown): unknown {
    if (!isFull(error)) return error;
    return new PerigeeError("STORAGE_FULL", "The ground has no room for its ledger", { cause: error });
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error("the store is closed");
  }
}

function toItem<T>({ pk, sk }: Key, rev: number, expiresAt: number | null, data: unknown): Item<T> {
  const item: Item<T> = { pk, sk, rev, data: data as T };
  if (expiresAt !== null) item.expiresAt = expiresAt;
  return item;
}

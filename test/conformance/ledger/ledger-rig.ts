import { afterEach, beforeEach, expect } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import type { Draft } from "#lambdas/ledger/draft.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import type { LedgerStore } from "#lambdas/ports/ledger-store.ts";
import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";

/** What the agent of these tests says of itself: as one of version 0.1. */
export const AGENT = { version: "0.1.0" };

export type LedgerTable = { open(): Promise<LedgerStore>; close(): Promise<void> };

/** A ledger with an agent that has started and was heard of, new for each test. */
export class LedgerRig {
  table!: LedgerTable;
  /** What the ledger's clock says. */
  now!: number;
  ledger!: Ledger;
  /** Of the agent's last start. */
  epoch!: number;

  constructor(makeTable: () => Promise<LedgerTable>) {
    beforeEach(async () => {
      this.table = await makeTable();
      this.now = Date.UTC(2025, 10, 20);
      this.ledger = await this.open();
      this.epoch = await this.ledger.startAgent("em1", "journal-1", AGENT);
      await this.beat();
    });
    afterEach(() => this.table.close());
  }

  readonly open = async () => new Ledger(await this.table.open(), { now: () => this.now });

  readonly beat = () => this.ledger.heartbeat("em1", { epoch: this.epoch, nodes: [], usage: {}, free: 1 });

  readonly lock = async (over: Partial<Draft> = {}) =>
    (await this.ledger.submit(draft(over), "place")).command;

  readonly queue = async (over: Partial<Draft> = {}) =>
    (await this.ledger.submit(draft(over), "queue")).command;

  readonly succeed = (command: Command, at = this.epoch) =>
    this.ledger.report("em1", at, command.user, command.id, { state: "succeeded", result: { nodes: [] } });
}

export const draft = (over: Partial<Draft> = {}): Draft => ({
  user: "alice",
  edge: "em1",
  operation: "nodes.status",
  input: {},
  ...over,
});

/** What the call is refused with. */
export async function refused(code: ErrorCode, call: Promise<unknown>): Promise<PerigeeError> {
  const error = await call.then(
    (value) => {
      throw new Error(`was not refused: ${JSON.stringify(value)}`);
    },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PerigeeError);
  expect((error as PerigeeError).code).toBe(code);
  return error as PerigeeError;
}

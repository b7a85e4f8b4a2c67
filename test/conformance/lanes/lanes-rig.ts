import { afterEach, beforeEach } from "vitest";
import type { Admission, Command } from "#lambdas/ledger/command.ts";
import type { Draft } from "#lambdas/ledger/draft.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import type { LedgerStore } from "#lambdas/ports/ledger-store.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";

export const AGENT = { version: "9", operations: OPERATION_NAMES as string[], features: ["grants"] };
export const EM = FIRST_LANE_OPTIONS;
export const JOBS: LaneOptions = {
  name: "jobs",
  width: 8,
  order: "round-robin",
  bounds: { queuePerEdge: 500, queuePerUser: 300 },
};
/** Its dialect writes a record of its own when a command of it ends. */
export const NOTED: LaneOptions = {
  ...JOBS,
  name: "noted",
  onEnd: ({ id, state }) => [{ put: { pk: "notes", sk: id, data: { state } } }],
};

export type LanesTable = { open(): Promise<LedgerStore>; close(): Promise<void> };

/** A ledger with several lanes and an agent that has started, new for each test. */
export class LanesRig {
  table!: LanesTable;
  store!: LedgerStore;
  /** What the ledger's clock says. */
  now!: number;
  ledger!: Ledger;
  /** Of the agent's last start. */
  epoch!: number;

  constructor(makeTable: () => Promise<LanesTable>) {
    beforeEach(async () => {
      this.table = await makeTable();
      this.store = await this.table.open();
      this.now = Date.UTC(2025, 10, 20);
      this.ledger = await this.open();
      await this.start();
    });
    afterEach(() => this.table.close());
  }

  readonly open = async (lanes = [EM, JOBS, NOTED]) =>
    new Ledger(await this.table.open(), { now: () => this.now, lanes });

  readonly start = async (journal = "journal-1", agent = AGENT): Promise<void> => {
    this.epoch = await this.ledger.startAgent("em1", journal, agent);
    await this.ledger.heartbeat("em1", { epoch: this.epoch, nodes: [], usage: {}, free: 1 });
  };

  readonly submit = async (over: Partial<Draft> = {}, admission: Admission = "queue") =>
    (await this.ledger.submit(draft(over), admission)).command;

  readonly many = (count: number, over: Partial<Draft> = {}) =>
    Promise.all(Array.from({ length: count }, () => this.submit(over)));

  readonly claim = (room: Record<string, number>, have: string[] = [], turn = 1) =>
    this.ledger.claimMany("em1", { epoch: this.epoch, room, have, turn });

  readonly report = ({ user, id, lane }: Command, at = this.epoch) =>
    this.ledger.finish({ edge: "em1", epoch: at, user, id, lane }, async () => ({
      state: "succeeded",
      result: {},
    }));

  readonly running = async (lane: string) => (await this.ledger.lane("em1", lane)).running;
}

export const draft = (over: Partial<Draft> = {}): Draft => ({
  user: "alice",
  edge: "em1",
  lane: "jobs",
  operation: "volume.delete",
  input: { volume: "v", path: "x" },
  ...over,
});

export const ids = (commands: readonly { id: string }[]) => commands.map(({ id }) => id);

import { Hono } from "hono";
import type { Logger } from "pino";
import { MemoryDoorbell } from "#lambdas/adapters/long-poll/memory-doorbell.ts";
import type { AgentApiDeps } from "#lambdas/agent-api/deps.ts";
import { agentRoutes } from "#lambdas/agent-api/routes.ts";
import { Changes } from "#lambdas/dispatch/changes.ts";
import { Dispatcher } from "#lambdas/dispatch/dispatcher.ts";
import { Waiting } from "#lambdas/dispatch/waiting.ts";
import type { GroundEnv } from "#lambdas/http/env.ts";
import { errorResponse } from "#lambdas/http/errors.ts";
import type { LaneOptions } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { SimProcess } from "./sim-process.ts";
import { SimStore, type WatchedTable } from "./sim-store.ts";

export const EDGE = "em1";

export type GroundDeps = {
  table: WatchedTable;
  log: Logger;
  /** what becomes of the next ring: how often it is heard */
  rings(): number;
  /** issued last */
  epoch(): number;
};

/** What no command of these histories comes to: content. */
const NONE = undefined as never;

/** A life of the ground: its ledger, dispatch and agents' API over the table, which outlives it. */
export class GroundProcess {
  readonly process = new SimProcess("ground");
  readonly store: SimStore;
  readonly ledger: Ledger;
  readonly dispatch: Dispatcher;
  readonly bell = new MemoryDoorbell();
  readonly #app: Hono<GroundEnv>;
  readonly #epoch: () => number;

  constructor(lanes: readonly LaneOptions[], { table, log, rings, epoch }: GroundDeps) {
    this.#epoch = epoch;
    this.store = new SimStore(table, this.process);
    this.ledger = new Ledger(this.store, { lanes });
    const changes = new Changes();
    const doorbell = {
      ring: async (edge: string) => {
        for (let times = rings(); times > 0; times--) await this.bell.ring(edge);
      },
    };
    const waiting = new Waiting(this.ledger, changes, { pollMs: 5_000 });
    const parts = { ledger: this.ledger, changes, waiting, doorbell };
    this.dispatch = new Dispatcher({ ...parts, staging: NONE, allowances: NONE });
    const deps: AgentApiDeps = {
      ...{ ledger: this.ledger, changes, log, quota: 1, transferBudget: NONE, transfers: NONE },
      ...{ staging: NONE, runs: NONE, inventory: NONE, podLogs: NONE, commandLogs: NONE },
      pools: { counts: async () => undefined, wanted: NONE, exchange: NONE },
      windows: { revision: async () => undefined, plan: NONE },
      keptContent: () => undefined,
    };
    this.#app = new Hono<GroundEnv>();
    this.#app.use(async (c, next) => {
      c.set("edge", EDGE);
      await next();
    });
    this.#app.route("/", agentRoutes(deps));
    this.#app.onError((error) => errorResponse(error, { log }));
  }

  /** A request of an agent; `newest`: the epoch that was issued last when it came. */
  async request(path: string, body: string): Promise<{ status: number; text: string; newest: number }> {
    const newest = this.#epoch();
    const response = await this.#app.request(path, { method: "POST", body });
    return { status: response.status, text: await response.text(), newest };
  }
}

import type { Logger } from "pino";
import type { Changes } from "../dispatch/changes.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Runs } from "../ledger/runs.ts";
import type { SocketsWanted } from "../live/sockets-wanted.ts";
import type { CommandLogs } from "../logs/command-logs.ts";
import type { PodLogs } from "../logs/pod-logs.ts";
import type { Staging } from "../ports/staging.ts";
import type { TransferBudget } from "../quotas/transfer-budget.ts";
import type { StoredRunnerPools } from "../runners/stored-runner-pools.ts";
import type { Transfers } from "../transfers/transfers.ts";
import type { StoredWindows } from "../windows/stored-windows.ts";

/** What the routes for the agent stand on. */
export type AgentApiDeps = {
  ledger: Ledger;
  staging: Staging;
  runs: Runs;
  inventory: Pick<Inventory, "record" | "recordOffer">;
  podLogs: PodLogs;
  commandLogs: CommandLogs;
  changes: Changes;
  quota: number;
  /** wanted pools of the edge, and their runners */
  pools: Pick<StoredRunnerPools, "counts" | "wanted" | "exchange">;
  /** planned contact windows of the edge */
  windows: Pick<StoredWindows, "revision" | "plan">;
  /** live sockets wanted of the edge's agent; absent where there are no live sessions */
  wanted?: Pick<SocketsWanted, "wanted">;
  /** the relay's address for agents, where it is another than the ground's own */
  liveUrl?: string;
  transfers: Transfers;
  transferBudget: TransferBudget;
  log: Logger;
  /** for metrics: a command has ended */
  onEnd?: (command: Command) => void;
  /** Key under which the content of a command is kept; undefined: it ends by age. */
  keptContent: (command: Command) => string | undefined;
};

import type { ReadCommandOrder } from "../auth/command-order.ts";
import type { SealKeys } from "../auth/seal-keys.ts";
import type { CommandRowsOptions } from "../commands/command-rows.ts";
import type { ContentDeps } from "../content/staged-content.ts";
import type { Dispatch } from "../dispatch/dispatch.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { Waiting } from "../dispatch/waiting.ts";
import type { PublicHosts } from "../http/public-hosts.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Runs } from "../ledger/runs.ts";
import type { LiveSessions } from "../live/live-sessions.ts";
import type { LiveTickets } from "../live/tickets.ts";
import type { RowPage } from "../logs/log-rows.ts";
import type { PodLogs } from "../logs/pod-logs.ts";
import type { OpenForeignBucket } from "../ports/foreign-buckets.ts";
import type { ObjectSource } from "../ports/object-source.ts";
import type { RepositoryFetcher } from "../ports/repository-fetcher.ts";
import type { Worker } from "../ports/worker.ts";
import type { RunnerPools } from "../runners/runner-pools.ts";
import type { Uploads } from "../uplinks/uploads.ts";
import type { CompleteRun } from "./complete-run.ts";
import type { OwnRecords } from "./own-records.ts";
import type { Users } from "./users.ts";

/** What a dialect may use of the ground. Staging, the log, and what may pass come with {@link ContentDeps}. */
export type DialectCore = ContentDeps & {
  /** submits and cancels commands */
  dispatch: Dispatch &
    Pick<Dispatcher, "cancel" | "stage" | "queueKept" | "withdraw" | "expire" | "requireContact">;
  /** a user's commands as they stand; `forChange` and `atMost` wait for them to change, or to end */
  commands: Pick<Ledger, "command" | "commands" | "inContact" | "edgeAgent" | "ahead" | "earlier"> &
    Pick<Waiting, "forChange" | "atMost"> & {
      /** Rows of a command's log: of its run, or of what it wrote while it worked (see rowsOf). @throws FILE_NOT_FOUND */
      rows(command: Command, options: CommandRowsOptions): Promise<RowPage>;
    };
  /** files of a command that come in parts; those that come in one body go through `dispatch.reserve` */
  uploads: Pick<Uploads, "open" | "find" | "missing" | "sign" | "complete">;
  /** pods, images, volumes and nodes of an edge, and what it can do, as last reported, with their age: needs no contact */
  inventory: Pick<
    Inventory,
    "pods" | "podsNamed" | "images" | "volumes" | "nodes" | "offer" | "fpgas" | "fpgaLoads"
  >;
  /** @throws STALE_EPOCH for what a superseded agent says */
  requireEpoch(edge: string, epoch: number): Promise<void>;
  /** What a run asks for, completed by the dialects that have something for it. */
  completeRun: CompleteRun;
  /** runs of pods as last reported */
  runs: Runs;
  podLogs: PodLogs;
  users: Users;
  /** its own records in the store */
  records: OwnRecords;
  /**
   * Bytes of the user's quota that are left on an edge, below 0 when it is overdrawn. Who stores something that is no
   * command's asks before, for what it takes at most, and again afterwards: of several at once that together take too
   * much, each then sees the others, and removes its own.
   */
  bytesLeft(user: string, edge: string): Promise<number>;
  /** The edge meant by the header `Perigee-Edge`, or by its absence. @throws EDGE_NOT_FOUND, INVALID_PARAMETERS */
  resolveEdge(user: string, header: string | undefined): Promise<string>;
  /** opens live sessions with edges, and the permits for them; only a server has them */
  live?: { sessions: LiveSessions; tickets: LiveTickets };
  /** environments and runners of edges (only where the ground has them) */
  runners?: RunnerPools;
  /** fetches foreign repositories; only a server can */
  repositories?: RepositoryFetcher;
  /** opens buckets of others, for one call each */
  foreignBuckets?: OpenForeignBucket;
  /** seal secrets that are kept to be read again (only where the ground has them) */
  sealKeys?: SealKeys;
  /** users' buckets (only where the ground has them) */
  objects?: ObjectSource;
  /** When the command of a request is to be taken, as its headers say: a part of its draft. @throws INVALID_PARAMETERS */
  orderOf: ReadCommandOrder;
  /** does this ground's background work, where its own processes live no longer than a request; none on a server of its own */
  worker?: Worker;
  /** where users reach the ground */
  hosts: PublicHosts;
  /** The operator's setting `PERIGEE_<name>`; undefined when it is not set or empty. */
  setting(name: string): string | undefined;
  /** the ground's clock, ms since 1970 */
  now: () => number;
  /** most bytes of a request's body here (default: no bound but the route's) */
  requestBytes?: number;
  /** ms that the process has for its request (default: without end) */
  timeLeftMs?: () => number;
};

import type { DatabaseSync } from "node:sqlite";
import type { InstanceAddresses } from "../addresses/instance-addresses.ts";
import type { PushLog } from "../logs/log-pusher.ts";
import type { Runtimes } from "../runtimes.ts";
import type { RunFpga } from "./run-fpga.ts";

/** What runs need of the rest of the agent. */
export type RunDeps = {
  /** the agent's state; the manager makes its own tables in it */
  db: DatabaseSync;
  runtimes: Runtimes;
  /** The image that `reference` means now for `owner`, a user with the space if any; undefined: there is none. */
  resolveImage(owner: string, reference: string): Promise<{ id: string } | undefined>;
  /** Sends a chunk of a run's log to the ground; throws when it did not land (it is tried again). */
  push: PushLog;
  /** the edge's FPGAs; without it runs with an FPGA image fail */
  fpga?: RunFpga;
  /** of this machine, for runs that are to have one; without it they have those of the users' networks */
  addresses?: Pick<InstanceAddresses, "give" | "release">;
  /** Something failed and is tried again: for the agent's log. */
  onError?(error: unknown, about: { run?: string; doing: string }): void;
  /** ms since 1970; default Date.now */
  now?: () => number;
};

/** Defaults of {@link RunOptions}. */
export const RUN_DEFAULTS = {
  /** between SIGTERM and SIGKILL */
  graceMs: 30_000,
  /** how often the engine is compared with the records without a hint */
  resyncMs: 15_000,
  /** first and longest pause before something that failed is tried again */
  retryMs: { first: 1_000, most: 15_000 },
  /** pods of one user that run at the same time; more wait as Unschedulable */
  runningPerUser: 16,
  /** runs of one user that have not ended; more are refused */
  openPerUser: 200,
  /** ended runs of one user whose log waits for contact; the oldest logs beyond are given up */
  unpushedPerUser: 16,
  /** ended runs of one user that are remembered; the oldest beyond are forgotten */
  endedPerUser: 1_000,
  /** how long a status waits for the end of a log */
  flushWaitMs: 30_000,
  /** how long a status waits for a start that is under way */
  startWaitMs: 500,
  /** how long an ended run shows as running at most because its log could not be pushed */
  flushGraceMs: 600_000,
  /** how often a running log is pushed */
  logFlushMs: 500,
  /** how long what a user's runs shared stays after the last of them */
  lingerMs: 60_000,
};
/** Times in ms and bounds; each has a documented default in {@link RUN_DEFAULTS}. */
export type RunOptions = Partial<typeof RUN_DEFAULTS>;

/** What the parts that work on runs share. */
export type RunParts = Omit<RunDeps, "db" | "push"> & {
  options: typeof RUN_DEFAULTS;
  now: () => number;
};

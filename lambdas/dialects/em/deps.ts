import type { Context } from "hono";
import type { Logger } from "pino";
import type { Dispatch } from "../../dispatch/dispatch.ts";
import type { NodeBindings } from "../../http/body-stream.ts";
import type { Staging } from "../../ports/staging.ts";

/** What an EM route needs of the request: `user` is the authenticated user's name, set by a middleware. */
export type EmEnv = { Variables: { user: string }; Bindings: NodeBindings };
export type EmContext = Context<EmEnv>;

type PodOfUser = { edge: string; user: string; pod: string };

/** The runs of pods as the ground knows them. */
export interface KnownRuns {
  /** Runs of one pod, newest first. */
  find(of: PodOfUser): Promise<{ run: string; terminated: boolean }[]>;
}

/** The logs of runs as the agent pushed them. */
export interface KnownLogs {
  /** Ids of the runs whose logs are kept, newest first. */
  runs(of: PodOfUser): Promise<string[]>;
  /** What there is: the last `tail` lines (all by default) of those stamped at `since` (ms) or later. */
  read(of: PodOfUser & { run: string }, options: LogOptions): AsyncIterable<Uint8Array>;
  /** The same, then what comes, until `ended` says so or `signal` aborts. */
  follow(
    of: PodOfUser & { run: string },
    options: LogOptions & { signal: AbortSignal; ended: () => Promise<boolean> },
  ): AsyncIterable<Uint8Array>;
}

export type LogOptions = { tail?: number; since?: number };

/** What the EM routes stand on. */
export type EmDeps = {
  dispatch: Dispatch;
  staging: Staging;
  podLogs: KnownLogs;
  runs: KnownRuns;
  /** The edge meant by the header `Perigee-Edge`, or by its absence. @throws EDGE_NOT_FOUND */
  resolveEdge(user: string, header: string | undefined): Promise<string>;
  log: Logger;
};

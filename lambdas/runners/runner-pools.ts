import type { EnvironmentSpec, MappedPort, RunnerEnd, RunnerState } from "#protocol/runners.ts";

/** Environments, and therefore runners, belong to a user on an edge. */
export type PoolOwner = { user: string; edge: string };

export type Environment = { id: number } & EnvironmentSpec;

export type Statistics = { id: number; prewarmingPoolSize: number; idleRunners: number; usedRunners: number };

export type Runner = PoolOwner & {
  id: string;
  environment: number;
  state: RunnerState | "gone";
  /** ms since 1970 by the ground's clock */
  since: number;
  mappedPorts: readonly MappedPort[];
  end?: RunnerEnd;
};

/** `full`: the edge has as many environments as it may; `user-full`: the user has. */
export type Put = "created" | "replaced" | "full" | "user-full";

export type HandOutRefusal =
  /** there is no such environment */
  | { refused: "unknown" }
  /** no idle runner; `reason`: the edge's word, where it gave one */
  | { refused: "empty"; reason?: string }
  /** the edge is not in contact */
  | { refused: "unreachable" }
  /** the edge runs no runners (an older agent, or its operator's setting) */
  | { refused: "unsupported" };

/**
 * Wanted state of an edge's pools and what was handed out of them, in the ledger's store. Nothing here waits for the
 * edge, except where said.
 */
export interface RunnerPools {
  /** In order of ids. */
  environments(owner: PoolOwner): Promise<Environment[]>;
  environment(owner: PoolOwner, id: number): Promise<Environment | undefined>;
  /**
   * Ends all runners of an earlier generation in the same write.
   * @param most environments of the user on the edge (default: as many as the edge may have)
   */
  put(owner: PoolOwner, environment: Environment, most?: number): Promise<Put>;
  /** @returns whether there was one */
  remove(owner: PoolOwner, id: number): Promise<boolean>;
  /** As last reported: answers without contact. */
  statistics(owner: PoolOwner): Promise<Statistics[]>;
  /** Environments of all owners whose idle share is below `threshold` (0 to 1), for health. */
  depleting(threshold: number): Promise<{ owner: PoolOwner; id: number }[]>;
  /** Users who have environments, on whatever edges. */
  users(): Promise<string[]>;
  /** One conditional transaction: no two calls get one runner. Waits up to `waitMs` for one; 30 s for a pool of size 0. */
  handOut(
    owner: PoolOwner,
    environment: number,
    options: { inactivityMs?: number; waitMs?: number; signal?: AbortSignal },
  ): Promise<{ runner: Runner } | HandOutRefusal>;
  /** A runner that was handed out to the user and is not gone. */
  used(user: string, id: string): Promise<Runner | undefined>;
  /** Notes that a session begins in it: inactivity counts anew. */
  touched(user: string, id: string): Promise<void>;
  /** Durable at once, needs no contact. @returns false: never existed, or gone */
  end(user: string, id: string): Promise<boolean>;
  /** Why one that was handed out to the user is gone; undefined: it is not, or nobody knows any more. */
  whyGone(user: string, id: string): Promise<RunnerEnd | undefined>;
  /** All of a user, with those that ended within 24 h: of these the newest, `LIMITS.runnersGoneListed` at most. */
  list(user: string): Promise<Runner[]>;
  /** Asks the edge for a comparison of its pools and waits for it up to `ms`. */
  compare(owner: PoolOwner, ms: number): Promise<void>;
  /**
   * Ends all of a user's, or those on one edge whose grant was revoked.
   * @param before ms since 1970: what came to be later is another user's of that name, and stays
   */
  removed(user: string, edge?: string, before?: number): Promise<void>;
}

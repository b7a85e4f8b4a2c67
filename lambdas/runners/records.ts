import type { EnvironmentSpec, MappedPort, RunnerEnd } from "#protocol/runners.ts";
import { environmentOf } from "#protocol/runners.ts";
import type { Key } from "../ports/ledger-store.ts";

const padded = (id: number) => String(id).padStart(16, "0");

/**
 * Keys of pools in the ledger's table:
 *
 * | pk | sk | data |
 * | --- | --- | --- |
 * | `edge#<edge>` | `pools` | {@link CounterRecord}: read with every claim |
 * | `pools#<edge>` | `env#<user>#<id>` | {@link EnvironmentRecord} |
 * | `demands#<edge>` | `<user>#<id>#<call>` | {@link DemandRecord}: a call waits for a runner, expiring |
 * | `pools#<edge>` | `reasons`, `compare` | {@link ReasonsRecord}, {@link CompareRecord} |
 * | `runners#<edge>` | `<user>#<environment>#<id>` | {@link PoolRecord}: a runner, as the edge knows it or is to learn it |
 * | `handed-runners#<user>` | runner id | {@link HandedRecord}: one that was handed out; expiring once it is gone |
 * | `pool-edges#<user>` | edge id | `{}`: the user has, or had, an environment there |
 */
export const keys = {
  counter: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "pools" }),
  pools: (edge: string): string => `pools#${edge}`,
  environmentsOf: (user: string): string => `env#${user}#`,
  environment: (edge: string, user: string, id: number): Key => ({
    pk: keys.pools(edge),
    sk: `env#${user}#${padded(id)}`,
  }),
  /** apart from the pools: calls may be many, and must not hide what is wanted */
  demands: (edge: string): string => `demands#${edge}`,
  demandsOf: (user: string): string => `${user}#`,
  demand: (edge: string, user: string, id: number, call: string): Key => ({
    pk: keys.demands(edge),
    sk: `${keys.demandsOf(user)}${padded(id)}#${call}`,
  }),
  reasons: (edge: string): Key => ({ pk: keys.pools(edge), sk: "reasons" }),
  compare: (edge: string): Key => ({ pk: keys.pools(edge), sk: "compare" }),
  runners: (edge: string): string => `runners#${edge}`,
  runnersOf: (user: string, environment?: number): string =>
    environment === undefined ? `${user}#` : `${user}#${padded(environment)}#`,
  runner: (edge: string, user: string, id: string): Key => ({
    pk: keys.runners(edge),
    sk: `${keys.runnersOf(user, environmentOf(id))}${id}`,
  }),
  handed: (user: string): string => `handed-runners#${user}`,
  handedRunner: (user: string, id: string): Key => ({ pk: keys.handed(user), sk: id }),
  edges: (user: string): string => `pool-edges#${user}`,
  edgeOf: (user: string, edge: string): Key => ({ pk: keys.edges(user), sk: edge }),
};

export type CounterRecord = {
  /** raised by every change of an environment, never lowered: also the generation that the change gives out */
  counter: number;
  /** environments of the edge */
  environments: number;
};

export type EnvironmentRecord = {
  user: string;
  id: number;
  generation: number;
  spec: EnvironmentSpec;
  /** when it was put last, ms since 1970 */
  at: number;
};

export type DemandRecord = { user: string; environment: number /** ms since 1970 */; until: number };

/** `<user>#<environment>` → why its pool is smaller than wanted */
export type ReasonsRecord = Record<string, string>;

export type CompareRecord = { asked: number };

/** `ended`: by the ground, and the edge still has it. */
export type PoolRecord = {
  user: string;
  id: string;
  generation: number;
  state: "idle" | "used" | "ended";
  /** since when it is in that state, ms since 1970 */
  since: number;
  ports: readonly MappedPort[];
  inactivityMs?: number;
};

export type HandedRecord = {
  edge: string;
  generation: number;
  /** when it was handed out, ms since 1970 */
  since: number;
  /** when a session was last begun in it, as far as this ground knows */
  activeAt: number;
  inactivityMs?: number;
  ports: readonly MappedPort[];
  end?: RunnerEnd;
  endedAt?: number;
};

/** Names an environment within its edge: ids are a user's own. */
export const poolKey = (user: string, environment: number): string => `${user}#${environment}`;

import type { Key } from "../ports/ledger-store.ts";

/**
 * Keys of the ledger's items. One partition per edge and one per user and kind, so that every read of a
 * lane, a claim or a listing is one consistent GetItem, BatchGetItem or Query.
 */
export const keys = {
  /** epoch, journal, names of lanes: EdgeState */
  edgeState: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "state" }),
  /** what runs, waits and is reserved in one lane: LaneRecord */
  lane: (edge: string, lane: string): Key => ({ pk: `edge#${edge}`, sk: `lane#${lane}` }),
  /** what the agent said of itself at its start: {@link EdgeAgent} */
  edgeAgent: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "agent" }),
  heartbeat: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "heartbeat" }),
  /** what the edge can do, as its agent said last */
  offer: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "offer" }),
  /** images and volumes as the agent reported them last */
  inventory: (edge: string, user: string): Key => ({ pk: `inventory#${edge}`, sk: user }),
  /** rewritten by whoever reserves bytes for the user where an edge has several lanes: {@link reservedElsewhere} */
  reservations: (edge: string, user: string): Key => ({ pk: `edge#${edge}`, sk: `reservations#${user}` }),
  /** newest last, because ids are ULIDs */
  command: (user: string, id: string): Key => ({ pk: `commands#${user}`, sk: id }),
  commands: (user: string): string => `commands#${user}`,
  /** a submission of many commands: what it is, and its commands until they are queued */
  submission: (id: string): Key => ({ pk: `submission#${id}`, sk: "head" }),
  submitted: (id: string, n: number): Key => ({
    pk: `submission#${id}`,
    sk: `command#${String(n).padStart(5, "0")}`,
  }),
  idempotency: (user: string, route: string, key: string): Key => ({
    pk: `idempotency#${user}`,
    sk: `${route}#${key}`,
  }),
  run: (edge: string, user: string, pod: string, run: string): Key => ({
    pk: `runs#${edge}#${user}`,
    sk: `${pod}#${run}`,
  }),
  runs: (edge: string, user: string): string => `runs#${edge}#${user}`,
};

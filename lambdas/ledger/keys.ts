import type { Key } from "../ports/ledger-store.ts";

/**
 * Keys of the ledger's items. One partition per edge and one per user and kind, so that every read of a
 * lock, a claim or a listing is one consistent GetItem or Query.
 */
export const keys = {
  /** lock, queue, epoch: {@link EdgeState} */
  edgeState: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "state" }),
  /** what the agent said of itself at its start: {@link EdgeAgent} */
  edgeAgent: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "agent" }),
  heartbeat: (edge: string): Key => ({ pk: `edge#${edge}`, sk: "heartbeat" }),
  /** images and volumes as the agent reported them last */
  inventory: (edge: string, user: string): Key => ({ pk: `inventory#${edge}`, sk: user }),
  /** newest last, because ids are ULIDs */
  command: (user: string, id: string): Key => ({ pk: `commands#${user}`, sk: id }),
  commands: (user: string): string => `commands#${user}`,
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

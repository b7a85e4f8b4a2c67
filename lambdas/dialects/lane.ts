import type { Command } from "../ledger/command.ts";
import type { Write } from "../ports/ledger-store.ts";

/** Who gets a free place: whoever waits longest, or the users in turns. */
export type LaneOrder = "first-come" | "round-robin";

/** A lane as its dialect describes it: a queue of every edge, of which `width` commands run at the same time. */
export type Lane = {
  /** as `laneName` in protocol/wire.ts says */
  name: string;
  /** unless the operator sets another (PERIGEE_LANES) */
  width: number;
  /** the operator may not: the width is part of the dialect's contract */
  fixedWidth?: boolean;
  order: LaneOrder;
  /** commands that wait, reservations included */
  bounds: { queuePerEdge: number; queuePerUser: number };
};

/** A lane with what its dialect writes of its own in the transaction that ends one of its commands. */
export type LedgerLane = Lane & { onEnd?: (command: Command) => Promise<Write[]> };

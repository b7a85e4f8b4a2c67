import type { OperationName } from "#protocol/operations.ts";
import type { Write } from "../ports/ledger-store.ts";
import type { Admission, Command } from "./command.ts";
import type { Lane } from "./lane.ts";

/** A command as a dialect asks for it. */
export type Draft = {
  user: string;
  edge: string;
  /** default: the EM's */
  lane?: string;
  operation: OperationName;
  input: unknown;
  /** any text: in a lane that goes round, a user's groups take turns */
  group?: string;
  /** `route` names the route, `digest` the body: a replay with another digest is refused */
  idempotency?: Idempotency;
  /**
   * The dialect's own records, written in the transaction that submits the command: at most 20. It may be called
   * again for one submit, each time with another command, so it only reads.
   */
  records?: (command: Command) => Write[] | Promise<Write[]>;
};

export type Idempotency = { key: string; route: string; digest: string };

/** A command that was written, or with `replayed` the earlier one of the same Idempotency-Key. */
export type Submitted = { command: Command; replayed: boolean };

/** Bytes that a reservation keeps of its user's quota, by the lane as it then is; what it throws refuses. */
export type ReserveBytes = (lane: Lane) => number;

/** How a draft becomes a command: at once, or after its files are staged. */
export type Entrance = {
  admission: Admission;
  /** its files are still to come: it keeps a place in the queue's bounds, and joins the queue when they are there */
  staging?: {
    reserveBytes: ReserveBytes;
    /** the lane has to have a free place now, as for admission `place` */
    free?: boolean;
    /** an upload in parts: when it is given up (ms since 1970), and where its files are staged */
    parts?: { until: number; prefix: (command: Pick<Command, "user" | "id">) => string };
  };
};

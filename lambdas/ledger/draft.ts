import type { OperationName } from "#protocol/operations.ts";
import type { Write } from "../ports/ledger-store.ts";
import type { Admission, Command } from "./command.ts";
import type { Entry } from "./entry.ts";

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
  /** default: the usual one */
  priority?: number;
  /** if no agent has claimed it by then (ms since 1970), it expires */
  expiresAt?: number;
  /** staging prefix of files that its dialect keeps, ending in `/`, with their manifest: they outlive the command */
  staged?: string;
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

/** The commands of a submission of many, in the order of its drafts. */
export type SubmittedMany = { commands: Command[]; replayed: boolean };

/**
 * Bytes that a reservation keeps of its user's quota, by what is reserved in all lanes of the edge; what it throws
 * refuses. It decides only, as it is called again when another reservation was faster.
 */
export type ReserveBytes = (reserved: readonly Entry[]) => number;

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
    /** whether its agent knows the operation is asked when it joins the queue, and not before */
    unasked?: true;
  };
};

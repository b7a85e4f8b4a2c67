import type { Failure } from "#protocol/errors.ts";
import type { OperationName } from "#protocol/operations.ts";
import type { State } from "#protocol/state.ts";
import type { Progress } from "#protocol/wire.ts";

/** A command as the ledger holds it. All times are the ground's, in ms since 1970. */
export type Command = {
  /** ULID */
  id: string;
  user: string;
  edge: string;
  operation: OperationName;
  input: unknown;
  state: State;
  /** `lock`: took the lock on acceptance and can be withdrawn; `queue`: waits its turn, never withdrawn */
  entry: "lock" | "queue";
  /** runs alone on its edge */
  exclusive: boolean;
  /** 1 = next to run; only on a command that is shown, the ledger's order is the edge's queue */
  position?: number;
  /** claims so far */
  attempts: number;
  createdAt: number;
  queuedAt?: number;
  claimedAt?: number;
  endedAt?: number;
  /** epoch of the agent that claimed it last */
  epoch?: number;
  /** staging prefix of its uplinked files, ending in `/`; absent when it has none */
  staged?: string;
  /** an upload in parts: when it is given up if it is not complete then */
  until?: number;
  progress?: Progress;
  cancelRequestedAt?: number;
  result?: unknown;
  /** the result is too large for the ledger and lies in staging: its bytes as JSON */
  stagedResult?: number;
  failure?: Failure;
};

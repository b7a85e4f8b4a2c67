import type { Failure } from "#protocol/errors.ts";
import type { OperationName } from "#protocol/operations.ts";
import type { State } from "#protocol/state.ts";
import type { Progress, WaitsFor } from "#protocol/wire.ts";
import { FIRST_LANE } from "./first-lane.ts";

/**
 * How a command enters its lane: `place` takes a free place at once or is refused, and is withdrawn when nobody
 * claims it in time; `queue` waits its turn.
 */
export type Admission = "place" | "queue";

/** A command as the ledger holds it. All times are the ground's, in ms since 1970. */
export type Command = {
  /** ULID */
  id: string;
  user: string;
  edge: string;
  /** the queue of its edge that it goes through */
  lane: string;
  operation: OperationName;
  input: unknown;
  state: State;
  admission: Admission;
  /** name of the group among its user's commands with which it takes turns, in a lane that goes round */
  group?: string;
  /** absent: the usual one (protocol/priority.ts) */
  priority?: number;
  /** its user holds it since then: it waits for no place */
  heldAt?: number;
  /** 1 = next to run; only on a command that is shown: the ledger's order is the lane's queue */
  position?: number;
  /** epochs under which it was claimed */
  attempts: number;
  createdAt: number;
  queuedAt?: number;
  claimedAt?: number;
  /** its agent tells when it has what it needs on the edge ({@link Command.grantedAt}): until then it waits there */
  grants?: boolean;
  /** it had all its resources on the edge: its deadline runs */
  grantedAt?: number;
  /** what it waits for on the edge */
  waitsFor?: WaitsFor;
  endedAt?: number;
  /** epoch of the agent that claimed it last */
  epoch?: number;
  /** `[epoch, turn]` of the claim that handed it out first */
  order?: [epoch: number, turn: number];
  /** staging prefix of its uplinked or its dialect's kept files, ending in `/`; absent when it has none */
  staged?: string;
  /** an upload in parts: when it is given up if it is not complete then */
  until?: number;
  /** if no agent has claimed it by then, it expires; an upload that is still coming in has a time of its own */
  expiresAt?: number;
  progress?: Progress;
  cancelRequestedAt?: number;
  /** it is to be ended at once: what it runs gets no time to end by itself */
  kill?: true;
  result?: unknown;
  /** the result is too large for the ledger and lies in staging: its bytes as JSON */
  stagedResult?: number;
  failure?: Failure;
};

/** A command as versions 0.1 and 0.2 wrote it: in the one lane that there was. */
type EarlierCommand = Omit<Command, "lane" | "admission"> & { entry: "lock" | "queue"; exclusive: boolean };

/** A command's record, whichever version wrote it. */
export function readCommand(stored: Command | EarlierCommand): Command {
  if (!("entry" in stored)) return stored;
  const { entry, exclusive: _, ...command } = stored;
  return { ...command, lane: FIRST_LANE, admission: entry === "lock" ? "place" : "queue" };
}

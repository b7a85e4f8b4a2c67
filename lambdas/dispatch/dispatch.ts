import type { Failure } from "#protocol/errors.ts";
import type { InputOf, OperationName, ResultOf, StagedFile } from "#protocol/operations.ts";
import type { Admission, Command } from "../ledger/command.ts";
import type { Draft, Idempotency, SubmittedMany } from "../ledger/draft.ts";
import type { LaneLook } from "../ledger/submit-together.ts";
import type { Write } from "../ports/ledger-store.ts";

/** How long a caller waits for the end of its command. How the command is admitted is another matter. */
export type Wait =
  /** as long as its work may take */
  | { kind: "end" }
  /** not at all: the command as it was accepted */
  | { kind: "none" }
  /** at most so long */
  | { kind: "most"; ms: number };

export type { Idempotency } from "../ledger/draft.ts";

export type Request<O extends OperationName> = {
  user: string;
  edge: string;
  /** the queue of the edge that it goes through: one of the dialect's */
  lane: string;
  operation: O;
  input: InputOf<O>;
  /** take a free place now or be refused, or queue */
  admission: Admission;
  wait: Wait;
  /** who waits for its end waits in the queue for as long as that takes, and without contact it is withdrawn */
  patient?: boolean;
  /** any text: in a lane that goes round, a user's groups take turns */
  group?: string;
  /** default: the usual one */
  priority?: number;
  /** if no agent has claimed it by then (ms since 1970), it expires */
  expiresAt?: number;
  idempotency?: Idempotency;
  /** the dialect's own records, written together with the command (see Draft.records) */
  records?: Draft["records"];
  /** told when the command is written, before anything is waited for */
  submitted?: () => void;
};

/** An uplink, before its body is read. */
export type ReserveRequest<O extends OperationName = "volume.uplink"> = {
  user: string;
  edge: string;
  lane: string;
  /** `place`: the lane has to have a free place now, and its edge to be in contact */
  admission: Admission;
  wait: Wait;
  /** it is withdrawn like a command without files where the edge does not take it (default: it stays), and {@link Request.patient} */
  patient?: boolean;
  /** default: the usual one */
  priority?: number;
  /** if no agent has claimed it by then (ms since 1970), it expires; never while its body is coming in */
  expiresAt?: number;
  /** what the body is known to hold at most */
  bytes?: number;
  /** what is done with the files (default volume.uplink) */
  operation?: O;
};

/** What a waiting dialect gets: the end of the command, or the command as it stands. */
export type Answer<O extends OperationName> =
  | { kind: "succeeded"; command: Command; result: ResultOf<O> }
  | { kind: "failed"; command: Command; failure: Failure }
  /** still under way: 202 with `Location: /commands/<id>` */
  | { kind: "accepted"; command: Command };

/** What was staged of a command. `input` (default: an uplink's) is what the operation takes beside its files. */
export type StagedUpload = { volume: string; prefix: string; files: StagedFile[]; input?: unknown };

/** A place kept for a command whose files are still being read: an uplink, or any that comes with staged files. */
export interface Reservation<O extends OperationName = "volume.uplink"> {
  readonly command: Command;
  /** Key prefix under which the files are to be staged, ending in `/`; `volume` is "_" while not known. */
  prefix(volume: string): string;
  /** Bytes the user may still stage before the quota is met; they are kept for this uplink. */
  readonly allowance: number;
  /**
   * Everything is staged: writes the manifest, queues the command and waits as asked.
   * `prefix` is the one the files were staged under; `input` is that of an operation other than the uplink.
   */
  complete(upload: StagedUpload): Promise<Answer<O>>;
  /** The upload ends here: the command ends as `reason` says and nothing of it stays in staging. */
  abandon(reason: Failure): Promise<void>;
}

/**
 * The way from a dialect to the edge. Every refusal is a PerigeeError: LaneBusy (code LOCKED, with what holds the
 * place: the dialect says how much of it its user may know), EM_UNREACHABLE, QUEUE_FULL, IDEMPOTENCY_KEY_REUSED,
 * QUOTA_EXCEEDED, UNSUPPORTED_OPERATION.
 */
export interface Dispatch {
  /**
   * Submits a command and waits as asked.
   * @example
   * const answer = await dispatch.run({
   *   user, edge, lane: "em", operation: "nodes.status", input: {}, admission: "place", wait: { kind: "end" },
   * });
   */
  run<O extends OperationName>(request: Request<O>): Promise<Answer<O>>;
  /** Queues any number of commands of one user in one lane, all or none, and waits for none of them. */
  submitMany(drafts: readonly Draft[], idempotency?: Idempotency): Promise<SubmittedMany>;
  /**
   * Queues commands of one user in one lane in the transaction that writes `beside`, the dialect's own records.
   * @param look at the lane, from a moment ago (default: it is read)
   * @returns undefined, with nothing written, where one transaction does not hold them all
   * @throws ConditionFailed when something was changed meanwhile: who asks decides anew
   */
  submitTogether(
    drafts: readonly Draft[],
    beside: readonly Write[],
    look?: LaneLook,
  ): Promise<Command[] | undefined>;
  /** To be read together with something else, in one request: what {@link submitTogether} then goes by. */
  lookAtLane(edge: string, lane: string): Promise<LaneLook>;
  /** The early check of a command with files, before its body is read. */
  reserve<O extends OperationName = "volume.uplink">(request: ReserveRequest<O>): Promise<Reservation<O>>;
}

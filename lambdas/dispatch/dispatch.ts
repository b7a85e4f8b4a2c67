import type { Failure } from "#protocol/errors.ts";
import type { InputOf, OperationName, ResultOf, StagedFile } from "#protocol/operations.ts";
import type { Command } from "../ledger/command.ts";

/** How long the caller wants to wait, from its `Prefer` header (RFC 7240). */
export type Preference =
  /** no Prefer: take the lock or be refused, answer as the contract says */
  | { kind: "contract" }
  /** `respond-async`: queue, 202 at once */
  | { kind: "async" }
  /** `wait=N`: queue, wait up to N seconds, then 202 */
  | { kind: "wait"; seconds: number };

/** `route` names the route, `digest` the body: a replay with another digest is refused. */
export type Idempotency = { key: string; route: string; digest: string };

export type Request<O extends OperationName> = {
  user: string;
  edge: string;
  operation: O;
  input: InputOf<O>;
  preference: Preference;
  idempotency?: Idempotency;
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
 * The way from a dialect to the edge. Every refusal is a PerigeeError:
 * LOCKED (423, data {operation, since, command_id} or {since}; `retryAfter` in data of the error object),
 * EM_UNREACHABLE (503), QUEUE_FULL (429), IDEMPOTENCY_KEY_REUSED (422), QUOTA_EXCEEDED (507).
 */
export interface Dispatch {
  run<O extends OperationName>(request: Request<O>): Promise<Answer<O>>;
  /**
   * The early check of a command with files, before its body is read. `bytes`: what the body is known to hold at most.
   */
  reserve<O extends OperationName = "volume.uplink">(request: {
    user: string;
    edge: string;
    preference: Preference;
    bytes?: number;
    /** default volume.uplink */
    operation?: O;
  }): Promise<Reservation<O>>;
}

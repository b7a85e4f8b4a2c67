import type { Readable } from "node:stream";
import type { InputOf, OperationName, ResultOf, StagedContent, StagedFile } from "#protocol/operations.ts";
import type { Progress } from "#protocol/wire.ts";
import type { RangedSource } from "./files/ranged-source.ts";
import type { Spooled } from "./files/spool.ts";

/** What an operation can ask of the world while it runs. */
export type OperationContext<O extends OperationName = OperationName> = {
  readonly command: { readonly id: string; readonly user: string; readonly operation: O };
  readonly input: InputOf<O>;
  /**
   * Aborts on cancel (reason: PerigeeError CANCELLED), on the deadline (DEADLINE_EXCEEDED) and when the agent
   * shuts down (reason: ShuttingDown). An operation stops soon, cleans up what it made and throws the reason.
   */
  readonly signal: AbortSignal;
  /**
   * The operation ends cancels itself: from this call on a cancel, also after `commit`, aborts the signal that this
   * gives and not {@link signal}. Whatever the operation returns then is its result.
   *
   * @example
   * const cancelled = context.handleCancel();
   * cancelled.addEventListener("abort", () => container.kill());
   * return { exitCode: await container.exited };
   */
  handleCancel(): AbortSignal;
  /** Aborts when it is to end at once, with the cancel or later than it. */
  readonly killed: AbortSignal;
  /**
   * Waits for what the operation needs for its second step (agent/resources/resources-of.ts): it has its place in the
   * order since it was claimed. At once for an operation in one step.
   * @throws the reason of `stop`
   */
  acquire(stop: AbortSignal): Promise<void>;
  /**
   * Gives a resource back before the command ends, by its key (agent/resources/resources-of.ts), or all of them: who
   * waits for it may begin. Of all it notes {@link RELEASED} before.
   */
  release(key?: string): void;
  /** For people; cheap to call often (it is thinned out before it is sent). */
  progress(progress: Progress): void;
  /** The command's staged files: empty for operations without any. */
  manifest(): Promise<StagedFile[]>;
  /** Opens a staged file, from byte `start`. Retries and renewed URLs are inside. */
  fetch(n: number, start?: number): Promise<Readable>;
  /**
   * Gives the bytes of a staged file from `start` on to `write`, one call after the other; as `fetch`, and
   * quicker with big files. The chunks may be written over once `write` has resolved; what it throws ends
   * the call. Settles when no `write` is under way any more. Known are the size
   * of the whole, and what makes durable what was written and reports no errors: it is called now and then where content
   * takes long.
   */
  fetchInto(
    n: number,
    start: number,
    write: (chunks: readonly Buffer[]) => Promise<void>,
    known?: { size: number; sync: () => Promise<void> },
  ): Promise<void>;
  /**
   * Puts an object of at most `maxBytes` into staging under number `n`. It goes in parts, and what has arrived is
   * not sent again: not after a cut, and not when the command is done again after a restart, as long as the bytes
   * are provably the same. A stream is gathered first, to be read again.
   * @returns what the command's result names as its content
   * @throws SourceChanged when the source's own check says so
   */
  store(n: number, body: Readable | Uint8Array | RangedSource, maxBytes: number): Promise<StagedContent>;
  /**
   * Gathers what can only be made as a stream, for `store` under the same number. An earlier try of this command that
   * has gathered it whole is gone on with, then `make` is not called. The caller disposes it.
   * @throws PerigeeError STORAGE_FULL, QUOTA_EXCEEDED over `maxBytes`; what the stream breaks with
   */
  spool(n: number, make: () => Readable, maxBytes: number): Promise<Spooled>;
  /** The journal's entry of this command; only for operations that change something. */
  readonly journal: JournalEntry;
};

/** Durable notes of one command: what was noted survives any death of the agent from the moment note() returns. */
export type JournalEntry = {
  /** Notes of earlier attempts, oldest first; empty on the first attempt. */
  readonly notes: readonly { step: string; detail: unknown }[];
  /**
   * fsyncs. After `commit` was noted a cancel comes too late: the signal aborts no more for a cancel.
   * @param also writes to the agent's database that are made together with the note, or not at all
   */
  note(step: "commit" | (string & {}), detail?: unknown, also?: () => void): void;
  /**
   * As {@link JournalEntry.note}, but does not wait for the disk: the next note takes it along, and until then a power
   * cut may lose it. For a step that is found out again.
   */
  noteSoon(step: string, detail?: unknown): void;
};

/** A note: the command holds no resources any more, in its later attempts neither. */
export const RELEASED = "released";

/**
 * Does one operation and returns its result; throws PerigeeError for a failure that the user is to see.
 * It may run again after a cut (journal.notes tells how far it came) and must then reach its right end once.
 */
export type OperationHandler<O extends OperationName> = (
  context: OperationContext<O>,
) => Promise<ResultOf<O>>;

export type OperationHandlers = { [O in OperationName]: OperationHandler<O> };

/** The reason with which `signal` aborts when the agent stops in the middle: the command goes on at its next start. */
export class ShuttingDown extends Error {
  override readonly name = "ShuttingDown";
}

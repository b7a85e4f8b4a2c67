import { type Failure, PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { OperationName, ResultOf } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import type { Command } from "../ledger/command.ts";
import type { Draft, Idempotency, Submitted, SubmittedMany } from "../ledger/draft.ts";
import type { CancelOptions } from "../ledger/end.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { unreachable } from "../ledger/refusals.ts";
import type { LaneLook } from "../ledger/submit-together.ts";
import type { Doorbell } from "../ports/doorbell.ts";
import type { Write } from "../ports/ledger-store.ts";
import type { Staging } from "../ports/staging.ts";
import type { Allowances } from "../quotas/allowances.ts";
import type { Changes } from "./changes.ts";
import type {
  Answer,
  Dispatch,
  Request,
  Reservation,
  ReserveRequest,
  StagedUpload,
  Wait,
} from "./dispatch.ts";
import { loadStagedResult } from "./large-results.ts";
import { MANIFEST, uplinkPrefix } from "./staging-keys.ts";
import { removeUplinked } from "./uplinked-files.ts";
import { endedFailure, type Waiting } from "./waiting.ts";

type Parts = {
  ledger: Ledger;
  staging: Staging;
  doorbell: Doorbell;
  waiting: Waiting;
  changes: Changes;
  allowances: Allowances;
  /** adds to what an edge was refused by what is known beside the ledger (default: it stays as it is) */
  refusal?: (error: unknown, edge: string) => Promise<unknown>;
};

/** The one way from a dialect to the edge (see {@link Dispatch}). */
export class Dispatcher implements Dispatch {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run<O extends OperationName>(request: Request<O>): Promise<Answer<O>> {
    try {
      return await this.#run(request);
    } catch (error) {
      throw await this.#refused(error, request.edge);
    }
  }

  async #run<O extends OperationName>(request: Request<O>): Promise<Answer<O>> {
    const { ledger, waiting } = this.#parts;
    const { admission, wait, submitted, patient = false, ...draft } = request;
    const { command, replayed } = await ledger.submit(draft, admission);
    submitted?.();
    killPoint("dispatch.submitted");
    if (command.state === "queued") await this.#ring(command);
    if (wait.kind !== "end") return this.#answer(await this.#waited(command, wait));
    if (command.admission === "place") return this.#answer(await waiting.forPlace(command));
    // Of an earlier call of the same key it may have been promised that it stays.
    const withdraw = !replayed && admission === "queue";
    return this.#answer(await waiting.inQueue(command, { withdraw, patient }));
  }

  async submitMany(drafts: readonly Draft[], idempotency?: Idempotency): Promise<SubmittedMany> {
    const submitted = await this.#parts.ledger.submitMany(drafts, idempotency);
    const [first] = submitted.commands;
    if (first) await this.#ring(first);
    return submitted;
  }

  lookAtLane(edge: string, lane: string): Promise<LaneLook> {
    return this.#parts.ledger.lookAtLane(edge, lane);
  }

  async submitTogether(
    drafts: readonly Draft[],
    beside: readonly Write[],
    look?: LaneLook,
  ): Promise<Command[] | undefined> {
    const commands = await this.#parts.ledger.submitTogether(drafts, beside, look);
    if (commands?.[0]) await this.#ring(commands[0]);
    return commands;
  }

  async reserve<O extends OperationName = "volume.uplink">(
    request: ReserveRequest<O>,
  ): Promise<Reservation<O>> {
    const { ledger, staging, allowances } = this.#parts;
    const left = await allowances.left(request.user, request.edge);
    const wanted = Math.min(request.bytes ?? LIMITS.uplinkBytes, LIMITS.uplinkBytes);
    let allowance = 0;
    const { user, edge, lane, operation = "volume.uplink", expiresAt, priority } = request;
    const draft: Draft = {
      user,
      edge,
      lane,
      operation,
      input: {},
      ...(priority !== undefined && { priority }),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    const free = request.admission === "place";
    const reserveBytes = (reserved: Parameters<typeof left>[0]) => {
      allowance = Math.min(left(reserved), wanted);
      return allowance;
    };
    const command = await ledger.reserve(draft, free, reserveBytes).catch(async (error: unknown) => {
      throw await this.#refused(error, edge);
    });
    killPoint("dispatch.reserved");
    const prefixes = new Set<string>();
    return {
      command,
      allowance,
      prefix(volume) {
        const prefix = uplinkPrefix(command, volume);
        prefixes.add(prefix);
        return prefix;
      },
      complete: async (upload) => {
        try {
          return await this.queueStaged<O>(command, request.wait, upload, request.patient);
        } catch (error) {
          // Refused: nothing of it stays. Anything else may have been committed: the janitor finds out.
          if (error instanceof PerigeeError) {
            await ledger.endUnclaimed(command, "failed", error.toFailure());
            await staging.deletePrefix(upload.prefix);
          }
          throw error;
        }
      },
      async abandon(reason: Failure) {
        await ledger.endUnclaimed(command, "failed", reason);
        for (const prefix of prefixes) await staging.deletePrefix(prefix);
      },
    };
  }

  /**
   * Submits a command whose files its dialect keeps under `prefix` in staging, numbered from 0, and still looks at: it
   * joins the queue by {@link queueKept}, and is given up at `until` (ms since 1970).
   * @throws QUEUE_FULL, IDEMPOTENCY_KEY_REUSED
   */
  stage(draft: Draft, kept: { prefix: string; until: number }): Promise<Submitted> {
    return this.#parts.ledger.stage(draft, kept);
  }

  /**
   * A staged command joins the queue, with what its operation takes. Doing it again queues nothing again.
   * @throws CANCELLED, EXPIRED, UNSUPPORTED_OPERATION
   */
  async queueKept(command: Command, input: unknown): Promise<Command> {
    const { staged } = command;
    if (staged === undefined) throw new Error(`command ${command.id} has no staged files`);
    const queued = await this.#parts.ledger.queue(command, { prefix: staged, input });
    await this.#ring(queued);
    return queued;
  }

  /**
   * Ends a command that no agent has claimed: cancelled, or while it is not yet queued failed as `failure` says. One that
   * was claimed, or has ended, is returned as it is.
   */
  async withdraw(command: Command, failure?: Failure): Promise<Command> {
    const ended = await this.#parts.ledger.endUnclaimed(command, failure ? "failed" : "cancelled", failure);
    await this.#ring(ended);
    return ended;
  }

  /** Ends a command that no agent has claimed in time; one that was claimed, or has ended, is returned as it is. */
  async expire(command: Command): Promise<Command> {
    const ended = await this.#parts.ledger.endUnclaimed(command, "expired");
    await this.#ring(ended);
    return ended;
  }

  /** Cancels a command (own ones only). @throws COMMAND_NOT_FOUND, NOT_CANCELLABLE */
  async cancel(user: string, id: string, options?: CancelOptions): Promise<Command> {
    const command = await this.#parts.ledger.cancel(user, id, options);
    killPoint("dispatch.cancelled");
    // Wakes a running command's agent to stop, and a queued one's to take the next.
    await this.#ring(command);
    if (isTerminal(command.state)) await removeUplinked(this.#parts.staging, command);
    return command;
  }

  /** Its user holds a command that waits. @throws COMMAND_NOT_FOUND, NOT_HOLDABLE */
  async hold(user: string, id: string): Promise<Command> {
    const command = await this.#parts.ledger.hold(user, id);
    this.#parts.changes.changed(command.id);
    return command;
  }

  /** A held command waits again. @throws COMMAND_NOT_FOUND */
  async release(user: string, id: string): Promise<Command> {
    const command = await this.#parts.ledger.release(user, id);
    if (command.state === "queued") await this.#ring(command);
    return command;
  }

  /**
   * Every file of a command is staged: writes the manifest, queues the command and waits as asked. Doing it again
   * queues nothing again, and waits too.
   * @throws CANCELLED, EXPIRED; whatever it throws, what is staged stays
   */
  async queueStaged<O extends OperationName = "volume.uplink">(
    command: Command,
    wait: Wait,
    upload: StagedUpload,
    patient = false,
  ): Promise<Answer<O>> {
    const { ledger, staging } = this.#parts;
    const manifest = Buffer.from(JSON.stringify(upload.files));
    const bytes = upload.files.reduce((sum, file) => sum + file.size, 0);
    const input = upload.input ?? { volume: upload.volume, count: upload.files.length, bytes };
    await staging.put(`${upload.prefix}${MANIFEST}`, manifest, { maxBytes: manifest.length });
    killPoint("dispatch.staged");
    const queued = await ledger.queue(command, { prefix: upload.prefix, input });
    killPoint("dispatch.queued");
    // Another call was faster, and what it queued has ended: this manifest is nobody's.
    if (isTerminal(queued.state)) await staging.deletePrefix(upload.prefix);
    await this.#ring(queued);
    return this.answerQueued(queued, wait, patient);
  }

  /** Waits for a command whose files are staged as asked: it stays, whoever waits, unless it is `patient`. */
  async answerQueued<O extends OperationName>(
    command: Command,
    wait: Wait,
    patient = false,
  ): Promise<Answer<O>> {
    const ended =
      wait.kind === "end"
        ? this.#parts.waiting.inQueue(command, { withdraw: patient, patient })
        : this.#waited(command, wait);
    return this.#answer<O>(await ended);
  }

  /** A command that still waits tells its place; a result that lies in staging is fetched. */
  async #answer<O extends OperationName>(command: Command): Promise<Answer<O>> {
    if (command.stagedResult !== undefined) {
      return answer({ ...command, result: await loadStagedResult(this.#parts.staging, command) });
    }
    if (command.state !== "queued") return answer(command);
    const before = await this.#parts.ledger.ahead(command);
    return {
      kind: "accepted",
      command: { ...command, ...(before !== undefined && { position: before + 1 }) },
    };
  }

  #waited(command: Command, wait: Exclude<Wait, { kind: "end" }>): Promise<Command> {
    return wait.kind === "most" ? this.#parts.waiting.atMost(command, wait.ms) : Promise.resolve(command);
  }

  /** @throws EM_UNREACHABLE for an edge that is not in contact, with the window in which it is expected */
  async requireContact(edge: string): Promise<void> {
    if (!(await this.#parts.ledger.inContact(edge))) throw await this.#refused(unreachable(), edge);
  }

  async #refused(error: unknown, edge: string): Promise<unknown> {
    return (await this.#parts.refusal?.(error, edge)) ?? error;
  }

  async #ring(command: Command): Promise<void> {
    this.#parts.changes.changed(command.id);
    await this.#parts.doorbell.ring(command.edge);
  }
}

/** What a dialect gets of a command as it stands. */
export function answer<O extends OperationName>(command: Command): Answer<O> {
  switch (command.state) {
    case "succeeded":
      return { kind: "succeeded", command, result: command.result as ResultOf<O> };
    case "failed":
      return { kind: "failed", command, failure: command.failure! };
    case "cancelled":
    case "expired":
      return { kind: "failed", command, failure: command.failure ?? endedFailure(command).toFailure() };
    default:
      return { kind: "accepted", command };
  }
}

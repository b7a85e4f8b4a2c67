import { type Failure, PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { OperationName, ResultOf } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import type { Command } from "../ledger/command.ts";
import { ahead } from "../ledger/edge-state.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Draft } from "../ledger/submissions.ts";
import type { Doorbell } from "../ports/doorbell.ts";
import type { Staging } from "../ports/staging.ts";
import type { Allowances } from "../quotas/allowances.ts";
import type { Changes } from "./changes.ts";
import type { Answer, Dispatch, Preference, Request, Reservation, StagedUpload } from "./dispatch.ts";
import { loadStagedResult } from "./large-results.ts";
import { MANIFEST, uplinkPrefix } from "./staging-keys.ts";
import { endedFailure, type Waiting } from "./waiting.ts";

type Parts = {
  ledger: Ledger;
  staging: Staging;
  doorbell: Doorbell;
  waiting: Waiting;
  changes: Changes;
  allowances: Allowances;
};

/** The one way from a dialect to the edge (see {@link Dispatch}). */
export class Dispatcher implements Dispatch {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run<O extends OperationName>(request: Request<O>): Promise<Answer<O>> {
    const { ledger, waiting } = this.#parts;
    const { preference } = request;
    const contract = preference.kind === "contract";
    const { command } = await (contract ? ledger.submitLocking(request) : ledger.submitQueued(request));
    killPoint("dispatch.submitted");
    if (command.state === "queued") await this.#ring(command);
    if (!contract) return this.#answer(await this.#preferred(command, preference));
    return this.#answer(
      await (command.entry === "lock" ? waiting.holdingLock(command) : waiting.inQueue(command)),
    );
  }

  async reserve<O extends OperationName = "volume.uplink">(request: {
    user: string;
    edge: string;
    preference: Preference;
    bytes?: number;
    operation?: O;
  }): Promise<Reservation<O>> {
    const { ledger, staging, allowances } = this.#parts;
    const left = await allowances.left(request.user, request.edge);
    const wanted = Math.min(request.bytes ?? LIMITS.uplinkBytes, LIMITS.uplinkBytes);
    let allowance = 0;
    const draft: Draft = {
      user: request.user,
      edge: request.edge,
      operation: request.operation ?? "volume.uplink",
      input: {},
    };
    const command = await ledger.reserve(draft, request.preference.kind === "contract", (state) => {
      allowance = Math.min(left(state), wanted);
      return allowance;
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
          return await this.queueStaged<O>(command, request.preference, upload);
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

  /** Cancels a command (own ones only). @throws COMMAND_NOT_FOUND, NOT_CANCELLABLE */
  async cancel(user: string, id: string): Promise<Command> {
    const command = await this.#parts.ledger.cancel(user, id);
    killPoint("dispatch.cancelled");
    // Wakes a running command's agent to stop, and a queued one's to take the next.
    await this.#ring(command);
    if (isTerminal(command.state) && command.staged) await this.#parts.staging.deletePrefix(command.staged);
    return command;
  }

  /**
   * Every file of a command is staged: writes the manifest, queues the command and waits as asked. Doing it again
   * queues nothing again, and waits too.
   * @throws CANCELLED, EXPIRED; whatever it throws, what is staged stays
   */
  async queueStaged<O extends OperationName = "volume.uplink">(
    command: Command,
    preference: Preference,
    upload: StagedUpload,
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
    return this.answerQueued(queued, preference);
  }

  /** Waits for a queued command as asked. */
  async answerQueued<O extends OperationName>(command: Command, preference: Preference): Promise<Answer<O>> {
    const ended =
      preference.kind === "contract"
        ? this.#parts.waiting.inQueue(command)
        : this.#preferred(command, preference);
    return this.#answer<O>(await ended);
  }

  /** A command that still waits tells its place; a result that lies in staging is fetched. */
  async #answer<O extends OperationName>(command: Command): Promise<Answer<O>> {
    if (command.stagedResult !== undefined) {
      return answer({ ...command, result: await loadStagedResult(this.#parts.staging, command) });
    }
    if (command.state !== "queued") return answer(command);
    const before = ahead(await this.#parts.ledger.edgeState(command.edge), command.id) ?? 0;
    return { kind: "accepted", command: { ...command, position: before + 1 } };
  }

  #preferred(command: Command, preference: Preference): Promise<Command> {
    return preference.kind === "wait"
      ? this.#parts.waiting.atMost(command, preference.seconds * 1000)
      : Promise.resolve(command);
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

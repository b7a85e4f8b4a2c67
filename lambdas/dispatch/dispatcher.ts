import { type Failure, PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import type { OperationName, ResultOf, StagedFile } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import { killPoint } from "../kill-point.ts";
import type { Command } from "../ledger/command.ts";
import { ahead } from "../ledger/edge-state.ts";
import type { Draft, Ledger } from "../ledger/ledger.ts";
import type { Doorbell } from "../ports/doorbell.ts";
import type { Staging } from "../ports/staging.ts";
import type { Changes } from "./changes.ts";
import type { Answer, Dispatch, Preference, Request, Reservation } from "./dispatch.ts";
import { loadStagedResult } from "./large-results.ts";
import { MANIFEST, uplinkPrefix } from "./staging-keys.ts";
import { endedFailure, type Waiting } from "./waiting.ts";

type Parts = {
  ledger: Ledger;
  staging: Staging;
  doorbell: Doorbell;
  waiting: Waiting;
  changes: Changes;
  /** bytes per user over volumes, images and staging */
  quota: number;
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

  async reserve(request: { user: string; edge: string; preference: Preference }): Promise<Reservation> {
    const { ledger, staging } = this.#parts;
    const allowance = await this.#allowance(request.user, request.edge);
    const draft: Draft = {
      user: request.user,
      edge: request.edge,
      operation: "volume.uplink",
      input: {},
    };
    const command = await ledger.reserve(draft, request.preference.kind === "contract");
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
      complete: (upload) => this.#complete(command, request.preference, upload),
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

  async #complete(
    command: Command,
    preference: Preference,
    upload: { volume: string; prefix: string; files: StagedFile[] },
  ): Promise<Answer<"volume.uplink">> {
    const { ledger, staging, waiting } = this.#parts;
    const manifest = Buffer.from(JSON.stringify(upload.files));
    const bytes = upload.files.reduce((sum, file) => sum + file.size, 0);
    const input = { volume: upload.volume, count: upload.files.length, bytes };
    let queued: Command;
    try {
      await staging.put(`${upload.prefix}${MANIFEST}`, manifest, { maxBytes: manifest.length });
      killPoint("dispatch.staged");
      queued = await ledger.queue(command, { prefix: upload.prefix, input });
      killPoint("dispatch.queued");
    } catch (error) {
      // Refused: nothing of it stays. Anything else may have been committed: the janitor finds out.
      if (error instanceof PerigeeError) {
        await ledger.endUnclaimed(command, "failed", error.toFailure());
        await staging.deletePrefix(upload.prefix);
      }
      throw error;
    }
    await this.#ring(queued);
    const ended =
      preference.kind === "contract" ? waiting.inQueue(queued) : this.#preferred(queued, preference);
    return this.#answer<"volume.uplink">(await ended);
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

  /** @throws QUOTA_EXCEEDED when nothing is left */
  async #allowance(user: string, edge: string): Promise<number> {
    const { ledger, staging, quota } = this.#parts;
    const [up, down, beat] = await Promise.all([
      staging.usage(`uplink/${user}/`),
      staging.usage(`downlink/${user}/`),
      ledger.lastHeartbeat(edge),
    ]);
    const left = quota - up - down - (beat?.usage[user] ?? 0);
    if (left <= 0) {
      throw new PerigeeError("QUOTA_EXCEEDED", `Your quota of ${Math.floor(quota / MiB)} MiB is used up`);
    }
    return left;
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

import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import type { OperationName } from "#protocol/operations.ts";
import type { LedgerStore, Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import { type EdgeAgent, requireOperation } from "./edge-agent.ts";
import type { EdgeChanges } from "./edge-changes.ts";
import { type EdgeState, type Place, placeOf } from "./edge-state.ts";
import { keys } from "./keys.ts";
import { ulid } from "./ulid.ts";

/** A command as a dialect asks for it. */
export type Draft = {
  user: string;
  edge: string;
  operation: OperationName;
  input: unknown;
  idempotency?: { key: string; route: string; digest: string };
};

/** The edge with the new command on it, or a refusal thrown. */
export type Admit = (
  state: EdgeState,
  place: Place,
  of: { inContact: boolean; command: Command; inputBytes: number },
) => EdgeState;

type IdempotencyRecord = { digest: string; command: string; at: number };

export type SubmissionParts = {
  store: LedgerStore;
  changes: EdgeChanges;
  now: () => number;
  inContact(edge: string): Promise<boolean>;
};

/** New commands, each once for its Idempotency-Key. */
export class Submissions {
  readonly #parts: SubmissionParts;

  constructor(parts: SubmissionParts) {
    this.#parts = parts;
  }

  /**
   * Writes a command as `admit` says, or finds the earlier one of the same Idempotency-Key.
   * @throws BODY_TOO_LARGE, IDEMPOTENCY_KEY_REUSED, UNSUPPORTED_OPERATION, and what `admit` throws
   */
  async submit(
    draft: Draft,
    entry: Command["entry"],
    admit: Admit,
    options: { state?: "queued" | "staging"; more?: (command: Command) => Partial<Command> } = {},
  ): Promise<{ command: Command; replayed: boolean }> {
    const inputBytes = Buffer.byteLength(JSON.stringify(draft.input));
    if (inputBytes > LIMITS.inputBytes) {
      throw new PerigeeError(
        "BODY_TOO_LARGE",
        `The parameters are over ${LIMITS.inputBytes / KiB} KiB: put large ones into a file`,
      );
    }
    const { idempotency } = draft;
    const replayKey = idempotency && keys.idempotency(draft.user, idempotency.route, idempotency.key);
    const read = () =>
      Promise.all([
        this.#parts.inContact(draft.edge),
        this.#parts.store.get<EdgeAgent>(keys.edgeAgent(draft.edge)),
        replayKey ? this.#parts.store.get<IdempotencyRecord>(replayKey) : undefined,
      ]);
    return this.#parts.changes.change<
      { command: Command; replayed: boolean },
      Awaited<ReturnType<typeof read>>
    >(draft.edge, read, async (edge, [inContact, agent, found]) => {
      const now = this.#parts.now();
      const writes: Write[] = [];
      const { state = "queued" } = options;
      const base: Command = {
        id: ulid(now),
        user: draft.user,
        edge: draft.edge,
        operation: draft.operation,
        input: draft.input,
        state,
        entry,
        exclusive: true,
        attempts: 0,
        createdAt: now,
        ...(state === "queued" && { queuedAt: now }),
      };
      const command: Command = { ...base, ...options.more?.(base) };
      if (idempotency && replayKey) {
        const { digest } = idempotency;
        if (found && now - found.data.at < LIMITS.idempotencyMs) {
          if (found.data.digest !== digest) {
            throw new PerigeeError(
              "IDEMPOTENCY_KEY_REUSED",
              "Idempotency-Key was used for another request in the last 24 hours",
            );
          }
          const earlier = await this.#parts.changes.command(draft.user, found.data.command);
          // One that was withdrawn was in truth refused, and a refusal stores nothing.
          if (earlier.state !== "expired") return { value: { command: earlier, replayed: true } };
        }
        const data: IdempotencyRecord = { digest, command: command.id, at: now };
        writes.push({
          put: { ...replayKey, expiresAt: now + LIMITS.idempotencyMs, data },
          if: found?.rev ?? 0,
        });
      }
      requireOperation(draft.edge, agent?.data, draft.operation);
      const next = admit(edge, placeOf(command, now), { inContact, command, inputBytes });
      writes.push(this.#parts.changes.put(command, 0));
      return { state: next, writes, value: { command, replayed: false } };
    });
  }
}

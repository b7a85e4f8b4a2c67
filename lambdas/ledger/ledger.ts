import { type Failure, PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import { OPERATIONS } from "#protocol/operations.ts";
import { canMove, isTerminal, type State } from "#protocol/state.ts";
import type { NodeReport, Outcome, Progress } from "#protocol/wire.ts";
import { ConditionFailed, type Item, type LedgerStore, type Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import type { EdgeAgent } from "./edge-agent.ts";
import { EdgeChanges } from "./edge-changes.ts";
import type { EdgeState } from "./edge-state.ts";
import * as edges from "./edge-state.ts";
import { keys } from "./keys.ts";
import { endedError, notFound, requireEpoch, unreachable } from "./refusals.ts";
import { type Admit, type Draft, Submissions } from "./submissions.ts";

export type LedgerOptions = {
  /** the ground's clock, ms since 1970 */
  now?: () => number;
  limits?: Partial<
    Record<
      "queuePerEdge" | "queuePerUser" | "contactMs" | "abandonedMs" | "stagingMs" | "partsIdleMs" | "partsMs",
      number
    >
  >;
};

export type Heartbeat = {
  /** ms since 1970, the ground's */
  at: number;
  epoch: number;
  nodes: NodeReport[];
  /** bytes on the edge, by user */
  usage: Record<string, number>;
  /** bytes free on the edge */
  free: number;
  /** every change of images and volumes up to then was reported; absent from agents of version 0.2 and older */
  reported?: boolean | undefined;
};

/** How a command ended: the agent's word, or one whose result lies in staging. */
export type Ending = Outcome | { state: "succeeded"; stagedResult: number };

/** Bytes that a reservation keeps of its user's quota, by the edge as it then is; what it throws refuses. */
export type ReserveBytes = (state: EdgeState) => number;

/** Bytes of a command's input as JSON up to which the edge's record holds the command until it is claimed. */
const FRESH_BYTES = 1.5 * KiB;

/** Characters of a ULID. */
const ID_LENGTH = 26;

/**
 * The rules of commands, lock, queue and epochs over any {@link LedgerStore}: each public method that
 * changes something is one change of the edge's record and the command's (EdgeChanges).
 */
export class Ledger {
  readonly #store: LedgerStore;
  readonly #now: () => number;
  readonly #limits;
  readonly #changes: EdgeChanges;
  readonly #submissions: Submissions;

  constructor(store: LedgerStore, options: LedgerOptions = {}) {
    this.#store = store;
    this.#now = options.now ?? Date.now;
    this.#limits = { ...LIMITS, ...options.limits };
    const inContact = (edge: string) => this.inContact(edge);
    this.#changes = new EdgeChanges(store);
    this.#submissions = new Submissions({ store, changes: this.#changes, now: this.#now, inContact });
  }

  /**
   * Writes a command that takes the lock at once, or refuses it.
   * @returns the command, or with `replayed` the earlier one of the same Idempotency-Key
   * @throws EM_UNREACHABLE, LOCKED, IDEMPOTENCY_KEY_REUSED
   */
  submitLocking(draft: Draft): Promise<{ command: Command; replayed: boolean }> {
    return this.#submissions.submit(draft, "lock", (state, place, { inContact, command, inputBytes }) => {
      if (!inContact) throw unreachable();
      edges.requireFree(state, draft.user);
      return edges.takeLock(state, place, inputBytes <= FRESH_BYTES ? command : undefined);
    });
  }

  /** Writes a command to the end of the queue. @throws QUEUE_FULL, IDEMPOTENCY_KEY_REUSED */
  submitQueued(draft: Draft): Promise<{ command: Command; replayed: boolean }> {
    return this.#submissions.submit(draft, "queue", (state, place) => {
      edges.requirePlace(state, draft.user, this.#limits);
      return edges.enqueue(state, place);
    });
  }

  /**
   * Keeps a place for an uplink (`staging`). With `free` the edge has to be in contact and idle.
   * @throws EM_UNREACHABLE, LOCKED, QUEUE_FULL, and what `reserveBytes` throws
   */
  async reserve(draft: Draft, free: boolean, reserveBytes: ReserveBytes = () => 0): Promise<Command> {
    const admit: Admit = (state, place, { inContact }) => {
      if (free) {
        if (!inContact) throw unreachable();
        edges.requireFree(state, draft.user);
      }
      edges.requirePlace(state, draft.user, this.#limits);
      return edges.reserve(state, { ...place, bytes: reserveBytes(state) });
    };
    return (await this.#submissions.submit(draft, "queue", admit, { state: "staging" })).command;
  }

  /**
   * Keeps a place for an upload in parts: for two hours from when it was last heard of ({@link extend}), and a
   * day at most. Neither a busy edge nor one out of contact is in its way.
   * @param prefix where its files are staged
   * @throws QUEUE_FULL, IDEMPOTENCY_KEY_REUSED, and what `reserveBytes` throws
   */
  reserveParts(
    draft: Draft,
    prefix: (command: Pick<Command, "user" | "id">) => string,
    reserveBytes: ReserveBytes,
  ): Promise<{ command: Command; replayed: boolean }> {
    const admit: Admit = (state, place, { command: { until } }) => {
      edges.requirePlace(state, draft.user, this.#limits);
      return edges.reserve(state, { ...place, bytes: reserveBytes(state), ...(until && { until }) });
    };
    const until = this.#now() + Math.min(this.#limits.partsIdleMs, this.#limits.partsMs);
    const more = (command: Command) => ({ staged: prefix(command), until });
    return this.#submissions.submit(draft, "queue", admit, { state: "staging", more });
  }

  /** An upload in parts goes on: it is given up later, unless it is at its longest. */
  extend(command: Command): Promise<Command> {
    const { partsIdleMs, partsMs } = this.#limits;
    return this.#changes.changeCommand(command, (state, current) => {
      const until = Math.min(current.createdAt + partsMs, this.#now() + partsIdleMs);
      // Not for every page of URLs: the edge's record is everybody's.
      const soon = until - (current.until ?? 0) < partsIdleMs / 12;
      if (current.state !== "staging" || current.until === undefined || soon) return { command: current };
      return { state: edges.extend(state, current.id, until), command: { ...current, until } };
    });
  }

  /**
   * The uplink is staged whole: `staging → queued`, at the end of the queue. Never refused for the queue. One
   * that was queued before is returned as it is.
   * @throws CANCELLED when it was cancelled meanwhile, EXPIRED when the janitor ended it
   */
  queue(command: Command, staged: { prefix: string; input: unknown }): Promise<Command> {
    return this.#changes.changeCommand(command, (state, current) => {
      if (current.queuedAt !== undefined) return { command: current };
      if (current.state !== "staging") throw endedError(current);
      const now = this.#now();
      const next = moved(current, "queued", { queuedAt: now, staged: staged.prefix, input: staged.input });
      return { state: edges.enqueue(state, edges.placeOf(next, now)), command: next };
    });
  }

  /** Ends a command that no agent has claimed; one that was claimed or has ended is returned as it is. */
  endUnclaimed(
    command: Pick<Command, "edge" | "user" | "id">,
    to: "cancelled" | "expired" | "failed",
    failure?: Failure,
  ): Promise<Command> {
    return this.#changes.changeCommand(command, (state, current) => {
      if (!canMove(current.state, to) || current.state === "running") return { command: current };
      return {
        state: edges.release(state, current.id),
        command: this.#ended(current, to, failure && { failure }),
      };
    });
  }

  /**
   * `queued → running` for the next command under the agent's epoch; the running one again after a cut.
   * @returns undefined when there is nothing to do
   * @throws STALE_EPOCH
   */
  claim(edge: string, epoch: number): Promise<Command | undefined> {
    return this.#changes.change<Command | undefined, void>(edge, nothing, async (state, _read, tries) => {
      requireEpoch(state, epoch);
      const now = this.#now();
      const writes: Write[] = [];
      let free = state;
      const holder = state.holder;
      if (holder && !holder.claimed && now - holder.since > this.#limits.abandonedMs) {
        const item = await this.#changes.item(holder.user, holder.id);
        free = edges.release(state, holder.id);
        if (item?.data.state === "queued")
          writes.push(this.#changes.put(this.#ended(item.data, "expired"), item.rev));
      }
      const next = edges.nextToClaim(free);
      if (!next) return free === state ? { value: undefined } : { state: free, writes, value: undefined };
      // As it was written first; if it was changed since, the condition fails and it is read.
      const fresh = tries === 0 ? next.fresh : undefined;
      const item = fresh ? { data: fresh, rev: 1 } : await this.#changes.item(next.user, next.id);
      if (!item || isTerminal(item.data.state)) {
        // Cannot be: state and command change together. Do not let a broken pair stop the edge for ever.
        return { state: edges.release(free, next.id), writes, value: undefined };
      }
      if (item.data.state === "running" && item.data.epoch === epoch) return { value: item.data };
      const command: Command = {
        ...item.data,
        state: "running",
        epoch,
        attempts: item.data.attempts + 1,
        claimedAt: item.data.claimedAt ?? now,
      };
      writes.push(this.#changes.put(command, item.rev));
      return { state: edges.claimed(free, next, now), writes, value: command };
    });
  }

  /**
   * The agent's word on how a command ended: releases the lock in the same transaction.
   * A repeat of a report for a command that has ended changes nothing.
   * @throws STALE_EPOCH, COMMAND_NOT_FOUND
   */
  async report(edge: string, epoch: number, user: string, id: string, outcome: Outcome): Promise<Command> {
    return (await this.finish({ edge, user, id }, epoch, async () => outcome)).command;
  }

  /**
   * As {@link Ledger.report}, for who has to look at the command first: `decide` gets it while it runs, perhaps
   * several times, and says how it ended.
   * @returns the command, whether it ended by this, and whether another one waits on its edge
   */
  async finish(
    of: Pick<Command, "edge" | "user" | "id">,
    epoch: number,
    decide: (command: Command) => Promise<Ending>,
  ): Promise<{ command: Command; ended: boolean; more: boolean }> {
    const read = () => this.#changes.item(of.user, of.id);
    type Finished = { command: Command; ended: boolean; more: boolean };
    return this.#changes.change<Finished, Item<Command> | undefined>(of.edge, read, async (state, item) => {
      requireEpoch(state, epoch);
      if (!item || item.data.edge !== of.edge) throw notFound(of.id);
      const current = item.data;
      const waits = (next: EdgeState) => edges.nextToClaim(next) !== undefined;
      if (isTerminal(current.state)) {
        return { value: { command: current, ended: false, more: waits(state) } };
      }
      if (current.state !== "running") throw notFound(of.id);
      const { state: ending, ...rest } = await decide(current);
      const command = this.#ended(current, ending, rest);
      const next = edges.release(state, of.id);
      return {
        state: next,
        writes: [this.#changes.put(command, item.rev)],
        value: { command, ended: true, more: waits(next) },
      };
    });
  }

  /**
   * Remembers progress and tells whether the agent should stop: a cancel was asked for, or the command is no
   * longer its own. @throws STALE_EPOCH
   */
  async progress(
    edge: string,
    epoch: number,
    user: string,
    id: string,
    progress?: Progress,
  ): Promise<boolean> {
    const [state, item] = await Promise.all([this.edgeState(edge), this.#changes.item(user, id)]);
    requireEpoch(state, epoch);
    if (!item || item.data.edge !== edge || item.data.state !== "running") return true;
    if (progress) {
      try {
        await this.#store.transact([this.#changes.put({ ...item.data, progress }, item.rev)]);
      } catch (error) {
        // Somebody changed the command: that change matters, the progress does not.
        if (!(error instanceof ConditionFailed)) throw error;
      }
    }
    return item.data.cancelRequestedAt !== undefined;
  }

  /**
   * Ends a command that is not running, or asks the agent to stop a running one.
   * @throws COMMAND_NOT_FOUND, NOT_CANCELLABLE
   */
  async cancel(user: string, id: string): Promise<Command> {
    const command = await this.command(user, id);
    return this.#changes.changeCommand(command, (state, current) => {
      if (current.state === "cancelled") return { command: current };
      if (isTerminal(current.state)) {
        throw new PerigeeError("NOT_CANCELLABLE", `The command has already ended: ${current.state}`);
      }
      if (current.state === "running") {
        return { command: { ...current, cancelRequestedAt: current.cancelRequestedAt ?? this.#now() } };
      }
      return { state: edges.release(state, id), command: this.#ended(current, "cancelled") };
    });
  }

  /**
   * Issues the epoch of a starting agent. A claimed command that changes something is not resumed under
   * another journal: nobody knows how far it came.
   */
  startAgent(edge: string, journal: string, agent: EdgeAgent): Promise<number> {
    return this.#changes.change<number, void>(edge, nothing, async (state) => {
      const epoch = state.epoch + 1;
      let next: EdgeState = { ...state, epoch, journal };
      const writes: Write[] = [{ put: { ...keys.edgeAgent(edge), data: agent } }];
      const { holder } = state;
      if (holder?.claimed && state.journal !== journal && OPERATIONS[holder.operation].changes) {
        const item = await this.#changes.item(holder.user, holder.id);
        if (item?.data.state === "running") {
          writes.push(
            this.#changes.put(this.#ended(item.data, "failed", { failure: INTERRUPTED }), item.rev),
          );
        }
        next = edges.release(next, holder.id);
      }
      return { state: next, writes, value: epoch };
    });
  }

  /** The operator gives a claimed command up; its outcome is not known. @returns it, if there was one */
  resetEdge(edge: string): Promise<Command | undefined> {
    return this.#changes.change<Command | undefined, void>(edge, nothing, async (state) => {
      if (!state.holder) return { value: undefined };
      const item = await this.#changes.item(state.holder.user, state.holder.id);
      const next = edges.release(state, state.holder.id);
      if (!item || isTerminal(item.data.state)) return { state: next, value: undefined };
      const command =
        item.data.state === "running"
          ? this.#ended(item.data, "failed", { failure: INTERRUPTED })
          : this.#ended(item.data, "expired");
      return { state: next, writes: [this.#changes.put(command, item.rev)], value: command };
    });
  }

  /**
   * Ends what was left behind on an edge: unclaimed lock holders and uploads that are too old.
   * @param stagingMs age (ms) of an upload that is too old; one in parts has a time of its own
   */
  async expireAbandoned(edge: string, stagingMs: number = this.#limits.stagingMs): Promise<Command[]> {
    const state = await this.edgeState(edge);
    const now = this.#now();
    const old = edges.overdue(state, now, stagingMs);
    const { holder } = state;
    if (holder && !holder.claimed && now - holder.since > this.#limits.abandonedMs) old.push(holder);
    const ended: Command[] = [];
    for (const place of old) ended.push(await this.endUnclaimed({ ...place, edge }, "expired"));
    return ended;
  }

  async heartbeat(edge: string, beat: Omit<Heartbeat, "at">): Promise<void> {
    requireEpoch(await this.edgeState(edge), beat.epoch);
    await this.#store.transact([{ put: { ...keys.heartbeat(edge), data: { ...beat, at: this.#now() } } }]);
  }

  async lastHeartbeat(edge: string): Promise<Heartbeat | undefined> {
    return (await this.#store.get<Heartbeat>(keys.heartbeat(edge)))?.data;
  }

  /** Is the last heartbeat recent enough to expect an answer? */
  async inContact(edge: string): Promise<boolean> {
    const beat = await this.lastHeartbeat(edge);
    return beat !== undefined && this.#now() - beat.at <= this.#limits.contactMs;
  }

  /** @throws STALE_EPOCH */
  async requireEpoch(edge: string, epoch: number): Promise<void> {
    requireEpoch(await this.edgeState(edge), epoch);
  }

  async edgeState(edge: string): Promise<EdgeState> {
    return (await this.#store.get<EdgeState>(keys.edgeState(edge)))?.data ?? edges.NEW_EDGE;
  }

  /** What the agent said of itself at its last start; undefined when none has ever started. */
  async edgeAgent(edge: string): Promise<EdgeAgent | undefined> {
    return (await this.#store.get<EdgeAgent>(keys.edgeAgent(edge)))?.data;
  }

  /** @throws COMMAND_NOT_FOUND */
  command(user: string, id: string): Promise<Command> {
    return this.#changes.command(user, id);
  }

  /** Own commands, newest first, older than `before` (an id). */
  async commands(user: string, options: { before?: string; limit: number }): Promise<Command[]> {
    const items = await this.#store.query<Command>({
      pk: keys.commands(user),
      descending: true,
      limit: options.limit,
      // what a user sends may be longer than any key
      ...(options.before && { before: options.before.slice(0, ID_LENGTH) }),
    });
    return items.map((item) => item.data);
  }

  #ended(command: Command, to: State, rest: Partial<Command> = {}): Command {
    return moved(command, to, { ...rest, endedAt: this.#now() });
  }
}

const nothing = async () => {};

const INTERRUPTED: Failure = {
  code: "INTERRUPTED",
  message: "The command was interrupted on the edge; its outcome is not known",
};

function moved(command: Command, to: State, rest: Partial<Command>): Command {
  if (!canMove(command.state, to)) {
    throw new Error(`command ${command.id} cannot go from ${command.state} to ${to}`);
  }
  return { ...command, ...rest, state: to };
}

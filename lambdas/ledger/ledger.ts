import { BoundedMap } from "#protocol/bounded-map.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Outcome, Progress } from "#protocol/wire.ts";
import type { LedgerStore, Write } from "../ports/ledger-store.ts";
import { LaneChanges } from "./changes.ts";
import { type Claimed, type ClaimRequest, claimMany, claimOne } from "./claim.ts";
import type { Admission, Command } from "./command.ts";
import { type Heartbeat, inContact, lastHeartbeat } from "./contact.ts";
import type { Draft, Idempotency, ReserveBytes, Submitted, SubmittedMany } from "./draft.ts";
import type { EdgeAgent } from "./edge-agent.ts";
import { epochOf } from "./edge-epoch.ts";
import { seeEdge } from "./edge-lanes.ts";
import { type CancelOptions, cancel, endUnclaimed, type UnclaimedEnd } from "./end.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { holdCommand, holdEdge, releaseCommand } from "./hold.ts";
import { keys } from "./keys.ts";
import { ahead, hasPlace, heldAs, type Lane, nextToClaim } from "./lane.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions, Lanes } from "./lane-options.ts";
import type { LedgerDeps, LedgerLimits } from "./ledger-deps.ts";
import { type CommandProgress, noteProgress, type Stops } from "./progress.ts";
import { requireEpoch } from "./refusals.ts";
import { type Ending, type Finished, finish, type Reported } from "./report.ts";
import { startAgent } from "./start.ts";
import { earlierCommand, submit } from "./submit.ts";
import { submitMany } from "./submit-many.ts";
import { type LaneLook, lookAtLane, submitTogether } from "./submit-together.ts";
import { expireAbandoned, resetEdge } from "./tidy.ts";
import { extendUpload, queueStaged } from "./uploads.ts";

export type LedgerOptions = {
  /** the ground's clock, ms since 1970 */
  now?: () => number;
  /** the lanes of all dialects (default: the EM's) */
  lanes?: readonly LaneOptions[];
  /** the operator's widths, by lane, in place of the dialects' */
  widths?: Readonly<Record<string, number>>;
  limits?: Partial<LedgerLimits & Record<"queuePerEdge" | "queuePerUser", number>>;
  /** told once of an end that was written without its dialect's records (default: nobody) */
  endWithoutRecords?: LedgerDeps["endWithoutRecords"];
};

/** Edges whose lanes are remembered. */
const MOST_REMEMBERED = 10_000;

/** Characters of a ULID. */
const ID_LENGTH = 26;

/**
 * The rules of commands, lanes and epochs over any {@link LedgerStore}. Each method that changes something is one
 * transaction on condition of what it read (LaneChanges); the verbs are in files of their own beside this one.
 */
export class Ledger {
  readonly #deps: LedgerDeps;

  /** @throws RangeError for lanes that no record holds */
  constructor(store: LedgerStore, options: LedgerOptions = {}) {
    const limits = { ...LIMITS, ...options.limits };
    const { queuePerEdge, queuePerUser } = limits;
    const first = { ...FIRST_LANE_OPTIONS, bounds: { queuePerEdge, queuePerUser } };
    const lanes = new Lanes(options.lanes ?? [first], options.widths);
    const changes = new LaneChanges(store, lanes);
    const { now = Date.now, endWithoutRecords = () => {} } = options;
    const recorded = new BoundedMap<string, readonly string[]>(MOST_REMEMBERED);
    this.#deps = { store, changes, lanes, recorded, limits, now, endWithoutRecords };
  }

  /**
   * Writes a command that takes a free place of its lane at once or is refused (`place`), or waits (`queue`).
   * @example
   * const { command } = await ledger.submit({ user, edge, lane: "kabuto", operation, input, group }, "queue");
   * @throws LaneBusy, EM_UNREACHABLE (`place`), QUEUE_FULL (`queue`), IDEMPOTENCY_KEY_REUSED, BODY_TOO_LARGE,
   * UNSUPPORTED_OPERATION
   */
  submit(draft: Draft, admission: Admission): Promise<Submitted> {
    return submit(this.#deps, draft, { admission });
  }

  /**
   * Queues any number of commands of one user in one lane, all or none.
   * @throws QUEUE_FULL, IDEMPOTENCY_KEY_REUSED, BODY_TOO_LARGE, UNSUPPORTED_OPERATION
   */
  submitMany(drafts: readonly Draft[], idempotency?: Idempotency): Promise<SubmittedMany> {
    return submitMany(this.#deps, drafts, idempotency);
  }

  /** What {@link submitTogether} goes by, to be read together with something else. */
  lookAtLane(edge: string, lane: string): Promise<LaneLook> {
    return lookAtLane(this.#deps, edge, lane);
  }

  /**
   * Queues commands of one user in one lane with `beside` in one transaction.
   * @param look at the lane, from a moment ago (default: it is read)
   * @returns undefined where one transaction does not hold them
   * @throws ConditionFailed when something was changed meanwhile
   * @throws QUEUE_FULL, BODY_TOO_LARGE, UNSUPPORTED_OPERATION
   */
  submitTogether(
    drafts: readonly Draft[],
    beside: readonly Write[],
    look?: LaneLook,
  ): Promise<Command[] | undefined> {
    return submitTogether(this.#deps, drafts, beside, look);
  }

  /**
   * Keeps a place for a command whose files are still to come (`staging`). With `free` its lane has to have a free
   * place, and its edge to be in contact.
   * @throws EM_UNREACHABLE, LaneBusy, QUEUE_FULL, UNSUPPORTED_OPERATION, and what `reserveBytes` throws
   */
  async reserve(draft: Draft, free: boolean, reserveBytes: ReserveBytes = () => 0): Promise<Command> {
    const staging = { free, reserveBytes };
    return (await submit(this.#deps, draft, { admission: "queue", staging })).command;
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
  ): Promise<Submitted> {
    const { partsIdleMs, partsMs } = this.#deps.limits;
    const until = this.#deps.now() + Math.min(partsIdleMs, partsMs);
    const staging = { reserveBytes, parts: { until, prefix } };
    return submit(this.#deps, draft, { admission: "queue", staging });
  }

  /**
   * Keeps a place for a command whose files lie in staging already, while its dialect looks at them: until
   * {@link queue}, or `until` (ms since 1970). That its agent knows the operation is asked only then.
   * @throws QUEUE_FULL, IDEMPOTENCY_KEY_REUSED
   */
  stage(draft: Draft, { prefix, until }: { prefix: string; until: number }): Promise<Submitted> {
    const parts = { until, prefix: () => prefix };
    return submit(this.#deps, draft, {
      admission: "queue",
      staging: { reserveBytes: () => 0, parts, unasked: true },
    });
  }

  /**
   * What {@link stage} would answer with for the same Idempotency-Key, before anything is done for it.
   * @throws IDEMPOTENCY_KEY_REUSED
   */
  earlier(user: string, idempotency: Idempotency): Promise<Command | undefined> {
    return earlierCommand(this.#deps, user, idempotency);
  }

  /** An upload in parts goes on: it is given up later, unless it is at its longest. */
  extend(command: Command): Promise<Command> {
    return extendUpload(this.#deps, command);
  }

  /**
   * A command's files are staged whole: `staging → queued`. One that was queued before is returned as it is.
   * @throws CANCELLED, EXPIRED, UNSUPPORTED_OPERATION
   */
  queue(command: Command, staged: { prefix: string; input: unknown }): Promise<Command> {
    return queueStaged(this.#deps, command, staged);
  }

  /** Ends a command that no agent has claimed; one that was claimed or has ended is returned as it is. */
  endUnclaimed(
    command: Pick<Command, "edge" | "lane" | "user" | "id">,
    to: UnclaimedEnd["to"],
    failure?: UnclaimedEnd["failure"],
  ): Promise<Command> {
    return endUnclaimed(this.#deps, command, { to, failure });
  }

  /**
   * Ends a command that is not running, or asks the agent to stop a running one.
   * @throws COMMAND_NOT_FOUND, NOT_CANCELLABLE
   */
  cancel(user: string, id: string, options?: CancelOptions): Promise<Command> {
    return cancel(this.#deps, user, id, options);
  }

  /** Its user holds a command that waits: see {@link release}. @throws COMMAND_NOT_FOUND, NOT_HOLDABLE */
  hold(user: string, id: string): Promise<Command> {
    return holdCommand(this.#deps, user, id);
  }

  /** A held command waits again, as one that came just now. @throws COMMAND_NOT_FOUND */
  release(user: string, id: string): Promise<Command> {
    return releaseCommand(this.#deps, user, id);
  }

  /**
   * The operator holds, or releases, an edge or one lane of it: what waits there gets no place.
   * @throws RangeError for a lane that the ground does not have
   */
  holdEdge(of: Parameters<typeof holdEdge>[1]): Promise<void> {
    return holdEdge(this.#deps, of);
  }

  /**
   * The claim of an agent that runs one command at a time: of the EM's lane.
   * @throws STALE_EPOCH
   */
  claim(edge: string, epoch: number): Promise<Command | undefined> {
    return claimOne(this.#deps, edge, epoch);
  }

  /**
   * The claim of an agent that runs many: what runs and it does not have, then new ones.
   * @example
   * const { resumed, complete, commands } = await ledger.claimMany(edge, { epoch, turn: 7, room: { em: 1 }, have });
   * @throws STALE_EPOCH
   */
  claimMany(edge: string, request: ClaimRequest): Promise<Claimed> {
    return claimMany(this.#deps, edge, request);
  }

  /**
   * The agent's word on how a command ended. A repeat for a command that has ended changes nothing.
   * @throws STALE_EPOCH, COMMAND_NOT_FOUND
   */
  async report(edge: string, epoch: number, user: string, id: string, outcome: Outcome): Promise<Command> {
    return (await this.finish({ edge, user, id, epoch }, async () => outcome)).command;
  }

  /**
   * As {@link Ledger.report}, for who has to look at the command first: `prepare` gets it while it runs, once, and
   * says how it ended.
   */
  finish(of: Reported, prepare: (command: Command) => Promise<Ending>): Promise<Finished> {
    return finish(this.#deps, of, prepare);
  }

  /** One command's {@link noteProgress}. @returns whether the agent should stop it @throws STALE_EPOCH */
  async progress(
    edge: string,
    epoch: number,
    user: string,
    id: string,
    progress?: Progress,
  ): Promise<boolean> {
    return (await this.noteProgress(edge, epoch, [{ user, command: id, progress }])).cancel.length > 0;
  }

  /** Remembers how running commands get on. @throws STALE_EPOCH */
  noteProgress(edge: string, epoch: number, told: readonly CommandProgress[]): Promise<Stops> {
    return noteProgress(this.#deps, edge, epoch, told);
  }

  /** The ground's clock, ms since 1970, by which commands end. */
  now(): number {
    return this.#deps.now();
  }

  /**
   * Issues the epoch of a starting agent. Commands that it cannot go on with end: those that changed something
   * under another journal, and those that it does not know.
   */
  startAgent(edge: string, journal: string, agent: EdgeAgent): Promise<number> {
    return startAgent(this.#deps, edge, journal, agent);
  }

  /** The operator gives up what holds a place on the edge; the outcome of what ran is not known. @returns it */
  resetEdge(edge: string): Promise<Command[]> {
    return resetEdge(this.#deps, edge);
  }

  /**
   * Ends what was left behind on an edge: unclaimed places and uploads that are too old.
   * @param stagingMs age (ms) of an upload that is too old; one in parts has a time of its own
   */
  expireAbandoned(edge: string, stagingMs: number = this.#deps.limits.stagingMs): Promise<Command[]> {
    return expireAbandoned(this.#deps, edge, stagingMs);
  }

  /** @throws STALE_EPOCH */
  async heartbeat(edge: string, beat: Omit<Heartbeat, "at">): Promise<void> {
    await this.requireEpoch(edge, beat.epoch);
    const data: Heartbeat = { ...beat, at: this.#deps.now() };
    await this.#deps.store.transact([{ put: { ...keys.heartbeat(edge), data } }]);
  }

  lastHeartbeat(edge: string): Promise<Heartbeat | undefined> {
    return lastHeartbeat(this.#deps, edge);
  }

  /** Is the last heartbeat recent enough to expect an answer? */
  inContact(edge: string): Promise<boolean> {
    return inContact(this.#deps, edge);
  }

  /** The epoch of the agent that serves the edge now; 0 when none ever has. */
  epochOf(edge: string): Promise<number> {
    return epochOf(this.#deps, edge);
  }

  /** @throws STALE_EPOCH */
  async requireEpoch(edge: string, epoch: number): Promise<void> {
    requireEpoch({ epoch: await epochOf(this.#deps, edge) }, epoch);
  }

  /** How many commands of each lane may run at the same time. */
  widths(): Record<string, number> {
    return this.#deps.lanes.widths();
  }

  /** Would a claim get one of those that wait in this lane? Of a lane whose dialect is off nobody says no. */
  hasNext(name: string, lane: Lane): boolean {
    const options = this.#deps.lanes.get(name);
    return options === undefined || nextToClaim(lane, options, 1).length > 0;
  }

  /** One lane of an edge as it stands; an empty one where nothing was ever submitted. */
  async lane(edge: string, name: string = FIRST_LANE): Promise<Lane> {
    return (await this.#deps.changes.see(edge, name)).lane;
  }

  /** All lanes of an edge, by name. */
  async edgeLanes(edge: string): Promise<Map<string, Lane>> {
    const { lanes } = await seeEdge(this.#deps, edge);
    return new Map([...lanes].map(([name, { lane }]) => [name, lane]));
  }

  /** How many commands come before one that is queued: 0 = it is next. Undefined when it does not wait. */
  async ahead(command: Pick<Command, "edge" | "lane" | "id">): Promise<number | undefined> {
    return (await this.waits(command)).ahead;
  }

  /** How a command waits: how many come before it, whether a place is free for it all the same, and what of its edge the operator holds. */
  async waits(
    command: Pick<Command, "edge" | "lane" | "id">,
  ): Promise<{ ahead?: number; isFree?: true; held?: "lane" | "edge" }> {
    const { lanes } = this.#deps;
    const lane = await this.lane(command.edge, command.lane);
    const options = lanes.get(command.lane) ?? FIRST_LANE_OPTIONS;
    const before = ahead(lane, command.id, options);
    const held = heldAs(lane);
    const isFree = before !== undefined && before > 0 && hasPlace(lane, command.id, options);
    return {
      ...(before !== undefined && { ahead: before }),
      ...(isFree && { isFree }),
      ...(held && { held }),
    };
  }

  /** What the agent said of itself at its last start; undefined when none has ever started. */
  async edgeAgent(edge: string): Promise<EdgeAgent | undefined> {
    return (await this.#deps.store.get<EdgeAgent>(keys.edgeAgent(edge)))?.data;
  }

  /** @throws COMMAND_NOT_FOUND */
  command(user: string, id: string): Promise<Command> {
    return this.#deps.changes.command(user, id);
  }

  /** Own commands, newest first, older than `before` (an id). */
  async commands(user: string, options: { before?: string; limit: number }): Promise<Command[]> {
    // what a user sends may be longer than any key
    return this.#deps.changes.commands(user, { ...options, before: options.before?.slice(0, ID_LENGTH) });
  }
}

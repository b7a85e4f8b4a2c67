import { LIMITS } from "#protocol/limits.ts";
import { ConditionFailed, type Item, type LedgerStore, type Write } from "../ports/ledger-store.ts";
import { EDGE_RACES, optimistically } from "../ports/optimistically.ts";
import { type Command, readCommand } from "./command.ts";
import { type EarlierEdgeState, type EdgeState, laneWithin, NEW_EDGE, withLane } from "./edge-state.ts";
import { waitingOf } from "./in-turn.ts";
import { keys } from "./keys.ts";
import { landTogether } from "./land-together.ts";
import type { Lane } from "./lane.ts";
import type { Change, EndRecords, LaneChange, LaneSeen } from "./lane-change.ts";
import type { Lanes } from "./lane-options.ts";
import { decodeLane, encodeLane, type LaneRecord } from "./lane-record.ts";
import { type AnyTurn, LaneTurns } from "./lane-turns.ts";
import { notFound } from "./refusals.ts";
import { withWaiting } from "./rotation.ts";

/** Tries of a change after which records whose own conditions did not hold are left out. */
const MOST_RECORD_TRIES = 12;

/**
 * Changes of a lane's record and its commands': each is one transaction, or one together with others that waited
 * ({@link landTogether}), conditional on the revisions that were read. A lost race is read and decided again; only
 * what an attempt throws is an error.
 */
export class LaneChanges {
  readonly #store: LedgerStore;
  readonly #lanes: Lanes;
  /** Calls of this process take turns per lane, so that they do not lose races against each other. */
  readonly #turns: LaneTurns;

  constructor(store: LedgerStore, lanes: Lanes) {
    this.#store = store;
    this.#lanes = lanes;
    const alone = (turn: AnyTurn) => this.#alone(turn);
    const deps = { store, changes: this, alone };
    this.#turns = new LaneTurns({ alone, together: (turns) => landTogether(deps, turns) });
  }

  /** One lane, and what else is asked for in the same turn of the event loop. */
  async see(edge: string, lane: string): Promise<LaneSeen> {
    const item = await this.#store.get<LaneRecord>(keys.lane(edge, lane));
    if (item) return { lane: decodeLane(item.data), rev: item.rev };
    const state = await this.#store.get<EdgeState | EarlierEdgeState>(keys.edgeState(edge));
    return { lane: laneWithin(state?.data ?? NEW_EDGE, lane), rev: 0, state };
  }

  /** Makes one change. @returns what the attempt that landed says */
  change<T, R>(change: LaneChange<T, R>): Promise<T> {
    return this.#turns.take(change);
  }

  /** Are changes of the lane under way in this process? */
  isBusy(edge: string, lane: string): boolean {
    return this.#turns.isBusy(edge, lane);
  }

  /** One change in a transaction of its own: settles it. */
  async #alone(turn: AnyTurn): Promise<void> {
    const { edge, lane: name, read, attempt, prepare, seen: known } = turn.change;
    const once = async (tries: number) => {
      const first = tries === 0 ? known : undefined;
      const [seen, beside] = await Promise.all([first ?? this.see(edge, name), read()]);
      if (!turn.prepared) await prepare?.(seen.lane, beside);
      turn.prepared = true;
      const { lane, writes = [], records, value } = await attempt(seen.lane, beside, tries);
      const all = [...(lane ? this.laneWrites(edge, name, lane, seen) : []), ...writes];
      await this.#write(all, records, tries);
      return value;
    };
    await optimistically(once, EDGE_RACES).then(turn.resolve, turn.reject);
  }

  /** A dialect's records that the store cannot take do not keep the lane from going on. */
  async #write(all: Write[], records: EndRecords | undefined, tries: number): Promise<void> {
    if (!records || records.writes.length === 0) {
      if (all.length > 0) await this.#store.transact(all);
      if (records?.failed !== undefined) records.leftOut(records.failed);
      return;
    }
    try {
      await this.#store.transact([...all, ...records.writes]);
    } catch (error) {
      const never =
        error instanceof ConditionFailed
          ? error.index >= all.length && tries + 1 >= MOST_RECORD_TRIES
          : error instanceof RangeError || error instanceof TypeError;
      if (!never) throw error;
      await this.#store.transact(all);
      records.leftOut(error);
    }
  }

  /** One conditional change of a lane's record and a command's. @throws COMMAND_NOT_FOUND */
  changeCommand(
    { edge, lane, user, id }: Pick<Command, "edge" | "lane" | "user" | "id">,
    decide: (lane: Lane, item: Item<Command>) => Change<Command> | Promise<Change<Command>>,
  ): Promise<Command> {
    return this.change<Command, Item<Command> | undefined>({
      edge,
      lane,
      read: () => this.item(user, id),
      attempt(current, item) {
        if (!item || item.data.edge !== edge) throw notFound(id);
        return decide(current, item);
      },
    });
  }

  /** A lane's record; its first one is named in the edge's state, so that a starting agent's epoch reaches it. */
  laneWrites(edge: string, name: string, lane: Lane, seen: LaneSeen): Write[] {
    const data = encodeLane(this.rotated(name, lane));
    const put: Write = { put: { ...keys.lane(edge, name), data }, if: seen.rev };
    if (seen.rev > 0) return [put];
    const state = withLane(seen.state?.data ?? NEW_EDGE, name);
    return [put, { put: { ...keys.edgeState(edge), data: state }, if: seen.state?.rev ?? 0 }];
  }

  /** The lane as it is written: whoever waits has a turn, where it goes round. */
  rotated(name: string, lane: Lane): Lane {
    const goesRound = this.#lanes.get(name)?.order === "round-robin";
    return { ...lane, rotation: goesRound ? withWaiting(lane.rotation, waitingOf(lane.queue)) : [] };
  }

  /** A command as it stands. */
  async item(user: string, id: string): Promise<Item<Command> | undefined> {
    const item = await this.#store.get<Command>(keys.command(user, id));
    return item && { ...item, data: readCommand(item.data) };
  }

  /** As {@link item}. @throws COMMAND_NOT_FOUND */
  async command(user: string, id: string): Promise<Command> {
    const item = await this.item(user, id);
    if (!item) throw notFound(id);
    return item.data;
  }

  /** A user's commands, newest first, older than `before` (an id). */
  async commands(user: string, page: { before?: string | undefined; limit: number }): Promise<Command[]> {
    const { before, limit } = page;
    const items = await this.#store.query<Command>({
      pk: keys.commands(user),
      descending: true,
      limit,
      ...(before && { before }),
    });
    return items.map((item) => readCommand(item.data));
  }

  /** The write of a command, on condition that it has revision `rev`. */
  put(command: Command, rev: number): Write {
    const ends = command.endedAt && { expiresAt: command.endedAt + LIMITS.historyMs };
    return { put: { ...keys.command(command.user, command.id), ...ends, data: command }, if: rev };
  }
}

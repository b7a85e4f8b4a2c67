import { LIMITS } from "#protocol/limits.ts";
import type { Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import { FIRST_LANE } from "./first-lane.ts";

/** Who gets a free place: whoever waits longest, or the users in turns and within a user its groups in turns. */
export type LaneOrder = "first-come" | "round-robin";

export type QueueBounds = {
  /** commands that wait in the lane, reservations included */
  queuePerEdge: number;
  queuePerUser: number;
};

/** A lane as its dialect describes it. */
export type LaneOptions = {
  /** see `laneName` in protocol/wire.ts */
  name: string;
  /** commands that may run at the same time, unless the operator sets another */
  width: number;
  /** the operator may not: the width is part of the dialect's contract */
  fixedWidth?: boolean;
  order: LaneOrder;
  /**
   * a user gets a further place only while it holds fewer than are left, so that whoever comes new finds one though
   * commands run long (default: whoever is next gets any that is free)
   */
  sharesPlaces?: boolean;
  bounds: QueueBounds;
  /**
   * The dialect's own records, written in the transaction that ends a command of the lane. It may be called again
   * for one end, so it only reads.
   */
  onEnd?: (command: Command) => Write[] | Promise<Write[]>;
};

/** Width of every lane that the operator or the dialect may set. */
export const MAX_WIDTH = 1000;
/** Entries of a lane's record: they have to fit in an item of the store. */
const MAX_ENTRIES = 3000;

/** The lanes of a ground. */
export class Lanes {
  readonly #lanes: ReadonlyMap<string, LaneOptions>;

  /**
   * @param widths the operator's, by lane; of lanes that no dialect has they mean nothing
   * @throws RangeError for a name, width or bounds that no record holds
   */
  constructor(lanes: readonly LaneOptions[], widths: Readonly<Record<string, number>> = {}) {
    if (lanes.length > LIMITS.lanes) throw new RangeError(`an edge has at most ${LIMITS.lanes} lanes`);
    this.#lanes = new Map(
      lanes.map((lane) => {
        const width = Object.hasOwn(widths, lane.name) ? widths[lane.name] : undefined;
        if (width !== undefined && width !== lane.width && lane.fixedWidth) {
          throw new RangeError(`lane ${lane.name}: its width is ${lane.width}`);
        }
        return [lane.name, checked({ ...lane, ...(width !== undefined && { width }) })];
      }),
    );
  }

  /** Sorted: in this order a claim goes through them. */
  get names(): string[] {
    return [...this.#lanes.keys()].sort();
  }

  /** Undefined for a lane of a dialect that is off. */
  get(name: string): LaneOptions | undefined {
    return this.#lanes.get(name);
  }

  /** @throws Error when there is no such lane: its dialect is not on the ground's list */
  require(name: string): LaneOptions {
    const lane = this.#lanes.get(name);
    if (!lane) throw new Error(`the ground has no lane ${name}`);
    return lane;
  }

  /** How many commands of each may run at the same time. */
  widths(): Record<string, number> {
    return Object.fromEntries(this.names.map((name) => [name, this.require(name).width]));
  }
}

function checked(lane: LaneOptions): LaneOptions {
  const { name, width, bounds } = lane;
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(name)) throw new RangeError(`${JSON.stringify(name)} names no lane`);
  if (!Number.isInteger(width) || width < 1 || width > MAX_WIDTH) {
    throw new RangeError(`lane ${name}: the width must be a whole number from 1 to ${MAX_WIDTH}`);
  }
  if (width + bounds.queuePerEdge > MAX_ENTRIES) {
    throw new RangeError(`lane ${name}: width and queue together must be at most ${MAX_ENTRIES}`);
  }
  return lane;
}

/** The EM's lane: its width 1 is the EM's lock. */
export const FIRST_LANE_OPTIONS: LaneOptions = {
  name: FIRST_LANE,
  width: 1,
  fixedWidth: true,
  order: "first-come",
  bounds: { queuePerEdge: LIMITS.queuePerEdge, queuePerUser: LIMITS.queuePerUser },
};

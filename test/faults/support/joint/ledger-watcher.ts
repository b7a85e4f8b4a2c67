import type { Step } from "#lambdas/adapters/steps.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import type { Lane } from "#lambdas/ledger/lane.ts";
import type { LaneOptions } from "#lambdas/ledger/lane-options.ts";
import { decodeLane, type LaneRecord } from "#lambdas/ledger/lane-record.ts";
import { isTerminal, type State } from "#protocol/state.ts";

const NEXT: Record<State, readonly State[]> = {
  staging: ["queued", "cancelled", "expired", "failed"],
  queued: ["queued", "running", "cancelled", "expired", "failed"],
  running: ["running", "succeeded", "failed", "cancelled"],
  succeeded: [],
  failed: [],
  cancelled: [],
  expired: [],
};

/** When a command was claimed first: `n` counts such claims over the whole history. */
export type FirstClaim = { n: number; lane: string; order: readonly [number, number] };

/**
 * What must hold of the ledger's records with every transaction that lands: a command goes only forward and ends once,
 * nothing runs under an older epoch, no lane is over its width, and a place is taken only where one is free.
 */
export class LedgerWatcher {
  readonly commands = new Map<string, Command>();
  readonly claims = new Map<string, FirstClaim>();
  readonly lanes = new Map<string, Lane>();
  readonly #options: ReadonlyMap<string, LaneOptions>;
  readonly #now: () => number;
  /** when a lane was last seen to have no free place, or somebody waiting (events so far) */
  readonly #busyAt = new Map<string, number>();
  #epoch = 0;

  /** @param now counts what happens */
  constructor(lanes: readonly LaneOptions[], now: () => number) {
    this.#options = new Map(lanes.map((lane) => [lane.name, lane]));
    this.#now = now;
  }

  /** Issued last. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Was the lane busy at any moment since `begin`? */
  wasBusy(lane: string, begin: number): boolean {
    return this.#isBusy(lane) || (this.#busyAt.get(lane) ?? -1) >= begin;
  }

  landed(steps: readonly Step[]): void {
    for (const step of steps) {
      if (step.kind !== "put") continue;
      if (step.key.sk === "state") this.#raise((JSON.parse(step.data) as { epoch: number }).epoch);
    }
    for (const step of steps) {
      if (step.kind !== "put") continue;
      const { pk, sk } = step.key;
      if (pk.startsWith("commands#")) this.#command(JSON.parse(step.data) as Command);
      if (sk.startsWith("lane#")) this.#lane(sk.slice("lane#".length), JSON.parse(step.data) as LaneRecord);
    }
    for (const [name, lane] of this.lanes) this.#widths(name, lane);
  }

  #raise(epoch: number): void {
    if (epoch < this.#epoch) throw new Error(`epoch ${epoch} after ${this.#epoch}`);
    this.#epoch = epoch;
  }

  #command(after: Command): void {
    const { id, state } = after;
    const before = this.commands.get(id);
    if (before && !NEXT[before.state].includes(state)) {
      throw new Error(`${id} went from ${before.state} to ${state}`);
    }
    if (state === "running" && after.epoch !== this.#epoch && before?.state !== "running") {
      throw new Error(`${id} is claimed under epoch ${after.epoch}, and ${this.#epoch} is the newest`);
    }
    if (before?.epoch !== undefined && after.epoch! < before.epoch) {
      throw new Error(`${id} went back from epoch ${before.epoch} to ${after.epoch}`);
    }
    this.commands.set(id, after);
    if (state === "running" && !this.claims.has(id)) {
      this.claims.set(id, { n: this.claims.size, lane: after.lane, order: after.order! });
    }
  }

  #lane(name: string, record: LaneRecord): void {
    const before = this.lanes.get(name);
    const after = decodeLane(record);
    const wasBusy = this.#isBusy(name);
    if (after.epoch !== this.#epoch) {
      throw new Error(`lane ${name} is of epoch ${after.epoch}, and ${this.#epoch} is the newest`);
    }
    this.lanes.set(name, after);
    const had = new Set(before?.running.map(({ id }) => id));
    const places = after.running.filter(({ id, claim }) => !claim && !had.has(id));
    if (places.length > 0 && wasBusy)
      throw new Error(`${places[0]!.id} got a place of lane ${name}, which was busy`);
    if (wasBusy || this.#isBusy(name)) this.#busyAt.set(name, this.#now());
  }

  #isBusy(name: string): boolean {
    const lane = this.lanes.get(name);
    if (!lane) return false;
    const { width } = this.#options.get(name)!;
    return lane.running.length >= width || lane.queue.length > 0 || lane.pending.length > 0;
  }

  #widths(name: string, { running, ending }: Lane): void {
    const { width } = this.#options.get(name)!;
    if (running.length > width)
      throw new Error(`lane ${name} has ${running.length} places taken of ${width}`);
    const given = new Set(ending.map(({ id }) => id));
    const held = new Set(running.filter(({ claim }) => claim).map(({ id }) => id));
    for (const { id, lane, state } of this.commands.values()) {
      if (lane !== name || given.has(id)) continue;
      if ((state === "running") !== held.has(id))
        throw new Error(`${id} is ${state}, its place says otherwise`);
    }
  }

  /** Every command that has not ended. */
  open(): Command[] {
    return [...this.commands.values()].filter(({ state }) => !isTerminal(state));
  }
}

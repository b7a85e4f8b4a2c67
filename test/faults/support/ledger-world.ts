import { expect } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import type { Draft } from "#lambdas/ledger/draft.ts";
import type { Entry } from "#lambdas/ledger/entry.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import { isTerminal } from "#protocol/state.ts";
import { Killed, type MemoryStore, MemoryTable } from "#test/support/memory-store.ts";

const EDGE = "em1";
export const LANES: readonly LaneOptions[] = [
  { ...FIRST_LANE_OPTIONS, bounds: { queuePerEdge: 12, queuePerUser: 8 } },
  { name: "jobs", width: 3, order: "round-robin", bounds: { queuePerEdge: 60, queuePerUser: 40 } },
  { name: "few", width: 2, order: "first-come", bounds: { queuePerEdge: 12, queuePerUser: 8 } },
];
export const USERS = ["ann", "bob", "cat"] as const;
/** What may be answered to a call that comes at the wrong moment. */
const REFUSALS = new Set<ErrorCode>([
  "LOCKED",
  "QUEUE_FULL",
  "EM_UNREACHABLE",
  "CANCELLED",
  "EXPIRED",
  "NOT_CANCELLABLE",
  "NOT_HOLDABLE",
]);
const WIDTHS = new Map(LANES.map(({ name, width }) => [name, width]));
/** What a step of priority counts as. */
const HOUR_MS = 3600_000;
/** Operations of which one only reads: under another journal it goes on. */
const OPERATIONS = ["volume.delete", "nodes.status"] as const;

/** Where a ground process dies: at its `at`-th transaction (1: the first), which `landed` or not. */
export type Death = { at: number; landed: boolean };

/** The agent as far as the ledger sees it. */
type Agent = { epoch: number; turn: number; journal: number; have: Map<string, Command> };

/**
 * One edge, its ground processes and its agents over a table in memory, and what is known of every command by what
 * was answered. Each act is one that a user, an agent or an operator can do; whoever acts may die in it, and answers
 * may be lost.
 */
export class LedgerWorld {
  readonly #table = new MemoryTable();
  readonly #now = () => this.now;
  readonly #reader: Ledger;
  now = Date.UTC(2025, 10, 20);
  agent!: Agent;
  /** those that were followed by another, and go on all the same */
  readonly superseded: Agent[] = [];
  /** as they were last seen, by id */
  readonly known = new Map<string, Command>();
  /** two acts are under way: what one saw before it says nothing of what it meets */
  atOnce = false;
  #keys = 0;
  /** the process through which all acts go that are under way */
  #shared: { ledger: Ledger; store: MemoryStore } | undefined;

  constructor() {
    this.#reader = this.#process().ledger;
  }

  #process(): { ledger: Ledger; store: MemoryStore } {
    const store = this.#table.open();
    return { ledger: new Ledger(store, { now: this.#now, lanes: LANES }), store };
  }

  /** Several acts through one ground process: its death is that of all. */
  async inOneProcess(acts: () => Promise<unknown>): Promise<void> {
    this.#shared = this.#process();
    await acts();
    this.#shared = undefined;
  }

  /** Does something in a ground process of its own, or a shared one. @returns undefined when it died or refused */
  async #act<T>(
    death: Death | undefined,
    work: (ledger: Ledger) => Promise<T>,
    process = this.#shared ?? this.#process(),
  ): Promise<T | undefined> {
    const { ledger, store } = process;
    if (death) store.killAtTransaction(death.at, death.landed);
    try {
      return await work(ledger);
    } catch (error) {
      if (error instanceof Killed) {
        if (this.#shared === process) this.#shared = undefined;
        return undefined;
      }
      if (error instanceof PerigeeError && REFUSALS.has(error.code)) return undefined;
      throw error;
    }
  }

  #draft(lane: string, user: string, group: string | undefined, operation: number): Draft {
    const name = OPERATIONS[operation % OPERATIONS.length]!;
    const input = name === "volume.delete" ? { volume: "v", path: "x" } : {};
    return { user, edge: EDGE, lane, operation: name, input, ...(group && { group }) };
  }

  /** A command that was acknowledged: from now on it may not be lost. */
  #acknowledge(command: Command | undefined): void {
    if (command && !this.known.has(command.id)) this.known.set(command.id, command);
  }

  async start(newJournal: boolean, death?: Death): Promise<void> {
    const journal = (this.agent?.journal ?? 0) + (newJournal ? 1 : 0);
    const said = { version: "9", operations: [...OPERATIONS, "volume.uplink"], features: ["grants"] };
    const start = (ledger: Ledger) => ledger.startAgent(EDGE, `j${journal}`, said);
    // an agent whose start was not answered starts again
    const epoch = (await this.#act(death, start)) ?? (await start(this.#reader));
    if (this.agent) this.superseded.push(this.agent);
    this.agent = { epoch, turn: 0, journal, have: new Map() };
    await this.#act(undefined, (ledger) => ledger.heartbeat(EDGE, { epoch, nodes: [], usage: {}, free: 1 }));
  }

  async submit(
    of: {
      lane: string;
      user: string;
      group?: string | undefined;
      place: boolean;
      operation: number;
      /** minutes until it expires */
      lives?: number | undefined;
      priority?: number | undefined;
    },
    death?: Death,
  ): Promise<void> {
    const { lives, priority } = of;
    const draft = {
      ...this.#draft(of.lane, of.user, of.group, of.operation),
      ...(priority !== undefined && { priority }),
      ...(lives !== undefined && { expiresAt: this.now + lives * 60_000 }),
    };
    const before = await this.#reader.lane(EDGE, of.lane);
    const nobody = before.queue.every(({ held }) => held);
    const free = before.running.length < WIDTHS.get(of.lane)! && nobody && !before.held;
    const made = await this.#act(death, (ledger) => ledger.submit(draft, of.place ? "place" : "queue"));
    // the EM's 423, whatever other lanes do
    if (of.place && made && !death && !this.atOnce) expect(free).toBe(true);
    this.#acknowledge(made?.command);
  }

  /** With a key: a call that died is sent again, and finds what it made, or makes it. */
  async submitMany(of: { lane: string; user: string; count: number; operation: number }, death?: Death) {
    const drafts = Array.from({ length: of.count }, (_, n) =>
      this.#draft(of.lane, of.user, `g${n % 3}`, of.operation),
    );
    const key = { key: `k${this.#keys++}`, route: "many", digest: "d" };
    const first = await this.#act(death, (ledger) => ledger.submitMany(drafts, key));
    const again = await this.#act(undefined, (ledger) => ledger.submitMany(drafts, key), this.#process());
    if (first) expect(again?.commands.map(({ id }) => id)).toEqual(first.commands.map(({ id }) => id));
    if (first) expect(again?.replayed).toBe(true);
    if (again) expect(again.commands).toHaveLength(of.count);
    for (const command of again?.commands ?? []) this.#acknowledge(command);
  }

  async reserve(user: string, death?: Death): Promise<void> {
    const draft = { ...this.#draft("em", user, undefined, 0), operation: "volume.uplink" as const };
    this.#acknowledge(await this.#act(death, (ledger) => ledger.reserve(draft, false)));
  }

  async stage(pick: number, death?: Death): Promise<void> {
    const command = this.#pick(pick);
    if (command) await this.#act(death, (ledger) => ledger.queue(command, { prefix: "p/", input: {} }));
  }

  /** `lost`: the answer never comes; `old`: the form of agents that run one at a time. */
  async claim(
    of: { room: Record<string, number>; lost: boolean; old: boolean },
    death?: Death,
  ): Promise<void> {
    const { agent } = this;
    const { epoch } = agent;
    const before = new Set(agent.have.keys());
    if (of.old) {
      const command = await this.#act(death, (ledger) => ledger.claim(EDGE, epoch));
      if (command && !of.lost) agent.have.set(command.id, command);
      if (command?.attempts === 1 && !before.has(command.id)) this.#checkAlive(command);
      return;
    }
    const turn = ++agent.turn;
    const have = [...before];
    const lanes = await this.#reader.edgeLanes(EDGE);
    const answer = await this.#act(death, (ledger) =>
      ledger.claimMany(EDGE, { epoch, turn, room: of.room, have }),
    );
    for (const command of answer?.commands ?? []) {
      this.#checkAlive(command);
      if (this.atOnce || command.admission === "place" || !lanes.get(command.lane)?.held) continue;
      throw new Error(`command ${command.id} was handed out though its lane is held`);
    }
    if (!answer || of.lost) return;
    const order = answer.resumed.map(({ order = [0, 0] }) => order[0] * 1e6 + order[1]);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    for (const [lane, width] of WIDTHS) {
      const fresh = answer.commands.filter((command) => command.lane === lane);
      expect(fresh.length).toBeLessThanOrEqual(Math.min(width, of.room[lane] ?? 0));
    }
    for (const command of [...answer.resumed, ...answer.commands]) {
      // what the agent has is not handed out again
      expect(before).not.toContain(command.id);
      expect(command).toMatchObject({ state: "running", epoch });
      agent.have.set(command.id, command);
      this.#acknowledge(command);
    }
    if (this.atOnce || !answer.complete) return;
    // also what an earlier answer brought that was lost
    for (const { id, state } of await this.#everything()) {
      if (state === "running") expect([...agent.have.keys()]).toContain(id);
    }
  }

  /** One that is handed out for the first time is neither held nor past its time. */
  #checkAlive({ id, claimedAt, expiresAt, heldAt }: Command): void {
    if (heldAt !== undefined) throw new Error(`command ${id} was handed out while it was held`);
    if (claimedAt === this.now && expiresAt !== undefined && expiresAt <= this.now)
      throw new Error(`command ${id} was handed out after it had expired`);
  }

  async report(of: { pick: number; outcome: number; twice: boolean }, death?: Death): Promise<void> {
    const mine = [...this.agent.have.values()];
    const command = mine[of.pick % Math.max(1, mine.length)];
    if (!command) return;
    const outcome =
      of.outcome % 2 === 0
        ? ({ state: "succeeded", result: {} } as const)
        : ({ state: "failed", failure: { code: "DELETE_FAILED", message: "" } } as const);
    const { user, id, lane } = command;
    // a hint, and a wrong one must not matter
    const hint = of.outcome % 3 === 0 ? lane : of.outcome % 3 === 1 ? "few" : undefined;
    const tell = (ledger: Ledger) =>
      ledger.finish({ edge: EDGE, epoch: this.agent.epoch, user, id, lane: hint }, async () => outcome);
    const first = await this.#act(death, tell);
    if (!first || of.twice) {
      const again = await this.#act(undefined, tell, this.#process());
      if (first) expect(again).toMatchObject({ ended: false, command: { state: first.command.state } });
    }
    this.agent.have.delete(id);
  }

  /** What a superseded agent says: nothing of it may land. */
  async stale(pick: number): Promise<void> {
    const old = this.superseded[pick % Math.max(1, this.superseded.length)];
    if (!old) return;
    const before = new Map((await this.#everything()).map((command) => [command.id, command]));
    const { epoch } = old;
    const refused = { code: "STALE_EPOCH" };
    const room = { em: 1, jobs: 3, few: 2 };
    const claim = this.#reader.claimMany(EDGE, { epoch, room, have: [] });
    await expect(claim).rejects.toMatchObject(refused);
    await expect(this.#reader.claim(EDGE, epoch)).rejects.toMatchObject(refused);
    for (const { user, id } of [...old.have.values()].slice(0, 2)) {
      const report = this.#reader.report(EDGE, epoch, user, id, { state: "succeeded", result: {} });
      await expect(report).rejects.toMatchObject(refused);
      const told = [{ user, command: id, granted: true }];
      await expect(this.#reader.noteProgress(EDGE, epoch, told)).rejects.toMatchObject(refused);
    }
    // what others left unfinished may be finished by a claim; nothing is taken
    for (const command of await this.#everything()) {
      const earlier = before.get(command.id);
      if (isTerminal(command.state)) continue;
      expect(command).toEqual(earlier ?? expect.objectContaining({ state: "queued" }));
    }
  }

  async progress(granted: boolean, death?: Death): Promise<void> {
    const told = [...this.agent.have.values()].map(({ id, user }) => ({
      user,
      command: id,
      ...(granted ? { granted } : { waitsFor: { resource: "volume v" } }),
    }));
    const stops = await this.#act(death, (ledger) => ledger.noteProgress(EDGE, this.agent.epoch, told));
    for (const id of stops?.cancel ?? []) {
      const command = this.agent.have.get(id);
      // its end was told at the same time
      if (!command) continue;
      const now = await this.#reader.command(command.user, id);
      if (now.state !== "running") this.agent.have.delete(id);
      else expect(now.cancelRequestedAt).toBeDefined();
    }
  }

  async cancel(pick: number, death?: Death): Promise<void> {
    const command = this.#pick(pick);
    if (command) await this.#act(death, (ledger) => ledger.cancel(command.user, command.id));
  }

  async withdraw(pick: number, death?: Death): Promise<void> {
    const command = this.#pick(pick);
    if (command) await this.#act(death, (ledger) => ledger.endUnclaimed(command, "expired"));
  }

  async hold(of: { pick: number; hold: boolean }, death?: Death): Promise<void> {
    const command = this.#pick(of.pick);
    if (!command) return;
    const { user, id } = command;
    const done = await this.#act(death, (ledger) =>
      of.hold ? ledger.hold(user, id) : ledger.release(user, id),
    );
    if (done && !this.atOnce && !isTerminal(done.state)) expect(done.heldAt !== undefined).toBe(of.hold);
  }

  /** Without a lane the whole edge. */
  async holdEdge(of: { lane: string | undefined; hold: boolean }, death?: Death): Promise<void> {
    await this.#act(death, (ledger) => ledger.holdEdge({ edge: EDGE, ...of }));
    if (death || this.atOnce || of.lane !== undefined) return;
    // also in lanes that have no record yet
    for (const { held } of (await this.#reader.edgeLanes(EDGE)).values()) {
      expect(held?.edge !== undefined).toBe(of.hold);
    }
  }

  async reset(death?: Death): Promise<void> {
    await this.#act(death, (ledger) => ledger.resetEdge(EDGE));
  }

  async janitor(death?: Death): Promise<void> {
    const done = await this.#act(death, (ledger) => ledger.expireAbandoned(EDGE));
    if (!done || this.atOnce) return;
    for (const { state, expiresAt = Number.POSITIVE_INFINITY } of await this.#everything()) {
      if (state === "queued") expect(expiresAt).toBeGreaterThan(this.now);
    }
  }

  /**
   * The model of ageing, of a lane in which whoever came first goes first: each priority's oldest has waited a step more
   * for each of its steps.
   */
  #nextInLine(queue: readonly Entry[]): string | undefined {
    const waiting = queue.filter(({ until = Number.POSITIVE_INFINITY }) => until > this.now);
    const waited = (priority: number) => {
      const oldest = Math.min(
        ...waiting.flatMap((one) => ((one.priority ?? 5) === priority ? one.since : [])),
      );
      return this.now - oldest + priority * HOUR_MS;
    };
    const priorities = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
    const most = Math.max(...priorities.map(waited));
    const chosen = priorities.find((priority) => waited(priority) === most);
    return waiting.find(({ priority = 5 }) => priority === chosen)?.id;
  }

  #pick(pick: number): Command | undefined {
    return [...this.known.values()][pick % Math.max(1, this.known.size)];
  }

  async #everything(): Promise<Command[]> {
    const all = await Promise.all(USERS.map((user) => this.#reader.commands(user, { limit: 1000 })));
    return all.flat();
  }

  /** What holds at any moment. */
  async check(): Promise<void> {
    const lanes = await this.#reader.edgeLanes(EDGE);
    const commands = await this.#everything();
    const byId = new Map(commands.map((command) => [command.id, command]));
    for (const [id, before] of this.known) {
      const now = byId.get(id);
      if (!now) throw new Error(`command ${id} was acknowledged and is lost`);
      if (isTerminal(before.state)) expect(now).toEqual(before);
      this.known.set(id, now);
    }
    for (const [name, lane] of lanes) {
      const mine = commands.filter((command) => command.lane === name);
      const ids = (of: readonly { id: string }[]) => of.map(({ id }) => id).sort();
      const inState = (state: Command["state"]) => mine.filter((command) => command.state === state);
      const running = inState("running");
      expect(running.length).toBeLessThanOrEqual(WIDTHS.get(name)! + lane.ending.length);
      expect(lane.running.length).toBeLessThanOrEqual(WIDTHS.get(name)!);
      const ending = new Set(lane.ending.map(({ id }) => id));
      const claimed = lane.running.filter(({ claim }) => claim);
      expect(ids(claimed)).toEqual(ids(running.filter(({ id }) => !ending.has(id))));
      const waiting = [...lane.queue, ...lane.running.filter(({ claim }) => !claim)];
      expect(ids(waiting)).toEqual(ids(inState("queued").filter(({ id }) => !ending.has(id))));
      expect(ids(lane.reserved)).toEqual(ids(inState("staging")));
      const held = lane.queue.filter((entry) => entry.held);
      const heldCommands = inState("queued").filter(({ heldAt }) => heldAt !== undefined);
      expect(ids(held)).toEqual(ids(heldCommands.filter(({ id }) => !ending.has(id))));
    }
    for (const { state, attempts } of commands) if (state === "expired") expect(attempts).toBe(0);
    for (const { attempts } of commands) expect(attempts).toBeLessThanOrEqual(this.agent.epoch);
  }

  /** Nobody dies any more, and nothing is lost: everything that was acknowledged comes to its end, in order. */
  async drain(): Promise<void> {
    await this.start(false);
    for (const { user, id } of this.known.values()) await this.#reader.release(user, id);
    for (const lane of [undefined, ...WIDTHS.keys()]) await this.holdEdge({ lane, hold: false });
    const { epoch, have } = this.agent;
    const room = { em: 1, jobs: 3, few: 2 };
    for (let rounds = 0; ; rounds++) {
      expect(rounds).toBeLessThan(500);
      const next = this.#nextInLine((await this.#reader.lane(EDGE, "em")).queue);
      const turn = ++this.agent.turn;
      const answer = await this.#reader.claimMany(EDGE, { epoch, turn, room, have: [...have.keys()] });
      const taken = [...answer.resumed, ...answer.commands];
      for (const { id, lane, admission } of answer.commands) {
        if (lane === "em" && admission === "queue") expect(id).toBe(next ?? id);
      }
      for (const command of taken) have.set(command.id, command);
      if (have.size === 0 && !answer.more) break;
      for (const { id, user } of have.values()) {
        await this.#reader.report(EDGE, epoch, user, id, { state: "succeeded", result: {} });
      }
      have.clear();
      await this.check();
    }
    await this.check();
    for (const command of await this.#everything()) {
      expect(["succeeded", "failed", "cancelled", "expired", "staging"]).toContain(command.state);
    }
    for (const lane of (await this.#reader.edgeLanes(EDGE)).values()) {
      expect(lane).toMatchObject({ running: [], queue: [], ending: [], pending: [], fresh: {} });
    }
  }
}

import { pino } from "pino";
import { GroundUnavailable } from "#agent/ground/ground-client.ts";
import type { Answer, Request } from "#lambdas/dispatch/dispatch.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import type { Draft } from "#lambdas/ledger/draft.ts";
import { FIRST_LANE_OPTIONS, type LaneOptions } from "#lambdas/ledger/lane-options.ts";
import type { WindowPlan } from "#protocol/contact-window.ts";
import { type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import type { OperationName } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import { AgentProcess } from "./agent-process.ts";
import { Computer } from "./computer.ts";
import { EDGE, GroundProcess } from "./ground-process.ts";
import { LedgerWatcher } from "./ledger-watcher.ts";
import { type Fault, SimNetwork } from "./sim-network.ts";
import { SimProcess } from "./sim-process.ts";
import { WatchedTable } from "./sim-store.ts";
import { handlersOn, NATURES, OPERATIONS_ASKED } from "./sim-work.ts";
import { START, type VirtualTime } from "./virtual-time.ts";

export const LANES: readonly LaneOptions[] = [
  { ...FIRST_LANE_OPTIONS, bounds: { queuePerEdge: 12, queuePerUser: 8 } },
  { name: "jobs", width: 4, order: "round-robin", bounds: { queuePerEdge: 60, queuePerUser: 40 } },
  { name: "few", width: 2, order: "first-come", bounds: { queuePerEdge: 12, queuePerUser: 8 } },
];
export const USERS = ["ann", "bob"] as const;

/** What a user may be answered at a wrong moment. */
const REFUSALS = new Set<ErrorCode>([
  "LOCKED",
  "QUEUE_FULL",
  "EM_UNREACHABLE",
  "UNSUPPORTED_OPERATION",
  "NOT_CANCELLABLE",
]);
/** A connection of a user lasts at most so long (ms). */
const USER_MS = 3 * 3600_000;
/** How often an agent that rests asks the ground (ms). */
const OUTSIDE_MS = 5 * 60_000;
const LOG = pino({ level: process.env.PERIGEE_TEST_LOG ? "info" : "silent" });

export type Asked = {
  lane: string;
  user: string;
  operation: number;
  on: number;
  nature: number;
  group?: string;
};

/**
 * One edge with its users, its ground and two computers that may be it, in virtual time. Everything that happens is an
 * act, or follows from acts; what must hold is looked at with each transaction, each use of a resource and each answer.
 */
export class JointWorld {
  readonly time: VirtualTime;
  readonly network: SimNetwork<GroundProcess>;
  readonly watcher: LedgerWatcher;
  /** the second is of an earlier version: it builds no images; the first rests outside of planned windows */
  readonly computers = [new Computer("first", OUTSIDE_MS), new Computer("second")] as const;
  readonly #table: WatchedTable;
  readonly #outside = new SimProcess("outside");
  readonly #agents = new Map<Computer, AgentProcess>();
  /** those that were promised to somebody */
  readonly acknowledged = new Set<string>();
  /** calls of users that are not answered yet */
  readonly calls = new Map<number, string>();
  #ground: GroundProcess | undefined;
  /** the computer that is to serve the edge */
  #current = 0;
  #downMs = 0;
  #keys = 0;
  #plan: WindowPlan | undefined;
  #violation: unknown;
  /** how often the next rings are heard */
  rings: number[] = [];

  constructor(time: VirtualTime) {
    this.time = time;
    this.watcher = new LedgerWatcher(LANES, () => time.count);
    this.#table = new WatchedTable((steps) => this.#checked(() => this.watcher.landed(steps)));
    this.network = new SimNetwork(time, () => this.#ground);
  }

  get current(): Computer {
    return this.computers[this.#current]!;
  }

  /** Lets time go by. @throws what was found to be as it must not be */
  async run(ms: number, over: () => boolean = () => false): Promise<boolean> {
    const done = await this.time.run(ms, () => this.#violation !== undefined || over());
    if (this.#violation) throw this.#violation;
    return done;
  }

  /** Something happens to it from outside. */
  act(work: () => void): void {
    this.#outside.within(work);
  }

  startGround(): void {
    this.#ground = new GroundProcess(LANES, {
      table: this.#table,
      log: LOG,
      rings: () => this.rings.shift() ?? 1,
      epoch: () => this.watcher.epoch,
    });
    void this.#ground.process.death.then(() => this.time.after(this.#downMs, () => this.startGround()));
  }

  /** @param inTransactions it dies with its so-manieth transaction from now; 0: now */
  killGround(inTransactions: number, landed: boolean, downMs: number): void {
    this.#downMs = downMs;
    if (inTransactions > 0) this.#ground?.store.killAt(inTransactions, landed);
    else this.#ground?.process.kill();
  }

  startAgent(computer = this.current): void {
    if (this.#agents.get(computer)?.process.alive) return;
    const { time, network, watcher } = this;
    const violated = (error: unknown) => this.#fail(error);
    const known = (id: string) => watcher.commands.get(id)!;
    const build = computer === this.computers[0];
    const agent = new AgentProcess({
      ...{ computer, network, time, log: LOG },
      handlers: handlersOn({ computer, time, known, violated }),
      plan: () => this.#plan,
      operations: OPERATIONS_ASKED.filter((name) => build || name !== "image.build"),
      believed: (epoch) =>
        violated(
          new Error(`the ground believed an agent of epoch ${epoch}, and ${watcher.epoch} is the newest`),
        ),
      ended: (error) => {
        if (error) violated(error);
        this.#restart(computer, this.#downMs);
      },
    });
    this.#agents.set(computer, agent);
  }

  #restart(computer: Computer, downMs: number): void {
    this.#outside.within(() => {
      this.time.after(downMs, () => {
        if (computer === this.current) this.startAgent(computer);
      });
    });
  }

  killAgent(downMs: number): void {
    this.#agents.get(this.current)?.kill();
    this.#restart(this.current, downMs);
  }

  stopAgent(downMs: number): void {
    this.#downMs = downMs;
    this.#agents.get(this.current)?.stop();
  }

  /** The other computer takes over; this one's agent goes on until it is told. */
  replace(): void {
    this.#current = 1 - this.#current;
    this.startAgent();
  }

  /**
   * The operator replaces the plan of contact windows, which says nothing of when there is contact here.
   * @param windows their starts from now on, and their lengths (s)
   */
  plan(windows: readonly { from: number; length: number }[]): void {
    const now = START + this.time.now;
    this.#plan = {
      revision: (this.#plan?.revision ?? 0) + 1,
      windows: windows.map(({ from, length }) => {
        const start = now + from * 1000;
        return { start, end: start + length * 1000, station: "S" };
      }),
    };
  }

  submit(of: Asked & { place: boolean; wait: "end" | "none" | number; key: boolean }): void {
    const { user, group, ...rest } = this.#draft(of);
    const wait = typeof of.wait === "number" ? { kind: "most" as const, ms: of.wait } : { kind: of.wait };
    const request = {
      ...{ user, lane: of.lane, wait, ...rest, ...(group !== undefined && { group }) },
      admission: of.place ? "place" : "queue",
      ...(of.key && { idempotency: { key: `k${this.#keys++}`, route: "one", digest: "d" } }),
    } as Request<OperationName>;
    this.#call(of.key, `submit ${JSON.stringify(of)}`, async () => {
      const begin = this.time.count;
      try {
        const answer = await this.network.call("user", ({ dispatch }) => dispatch.run(request), USER_MS);
        this.#answered(answer);
      } catch (error) {
        if (
          error instanceof PerigeeError &&
          error.code === "LOCKED" &&
          !this.watcher.wasBusy(of.lane, begin)
        ) {
          throw new Error(`lane ${of.lane} refused a call while it was free`, { cause: error });
        }
        throw error;
      }
    });
  }

  /** Always with a key: until it is answered it is asked again. */
  submitMany(of: Asked & { count: number }): void {
    const drafts = Array.from({ length: of.count }, (_, n) => this.#draft({ ...of, on: of.on + n }));
    const key = { key: `k${this.#keys++}`, route: "many", digest: "d" };
    this.#call(true, `submitMany ${JSON.stringify(of)}`, async () => {
      const once = () =>
        this.network.call("user", ({ dispatch }) => dispatch.submitMany(drafts, key), USER_MS);
      const ids = (await once()).commands.map(({ id }) => id);
      if (ids.length !== of.count) throw new Error(`${ids.length} of ${of.count} commands were queued`);
      for (const id of ids) this.acknowledged.add(id);
      const again = await once();
      const same = again.commands.map(({ id }) => id).join() === ids.join();
      if (!same || !again.replayed) throw new Error("the same key made other commands");
    });
  }

  cancel(pick: number): void {
    const all = [...this.watcher.commands.values()];
    const command = all[pick % Math.max(1, all.length)];
    if (!command) return;
    const { user, id } = command;
    this.#call(false, `cancel ${id}`, async () => {
      await this.network.call("user", ({ dispatch }) => dispatch.cancel(user, id), USER_MS);
    });
  }

  reset(): void {
    this.#call(false, "reset", async () => {
      await this.network.call("user", ({ ledger }) => ledger.resetEdge(EDGE), USER_MS);
    });
  }

  janitor(): void {
    this.#call(false, "janitor", async () => {
      await this.network.call("user", ({ ledger }) => ledger.expireAbandoned(EDGE), USER_MS);
    });
  }

  fault(path: string, kind: Fault, count: number): void {
    this.network.faults.set(path, Array<Fault>(count).fill(kind));
  }

  /** Nothing goes wrong any more, and the current computer serves the edge. */
  heal(): void {
    this.network.faults.clear();
    this.network.percentLost = 0;
    this.network.cutUntil = 0;
    this.rings = [];
    this.#downMs = 0;
    for (const [computer, agent] of this.#agents) if (computer !== this.current) agent.process.kill();
    this.startAgent();
  }

  #draft({ lane, user, operation, on, nature, group }: Asked): Draft {
    const name = OPERATIONS_ASKED[operation % OPERATIONS_ASKED.length]!;
    const volume = `v${on % 3}`;
    const how = NATURES[nature % NATURES.length]!;
    const image = `i${on % 2}:1`;
    const inputs: Record<(typeof OPERATIONS_ASKED)[number], object> = {
      "volume.delete": { volume, path: how },
      "volume.list": { volume },
      "image.build": { source: { volume }, dockerfile: how, context: "c", image },
      "image.delete": { image },
      "nodes.status": {},
    };
    return { user, edge: EDGE, lane, operation: name, input: inputs[name], ...(group && { group }) };
  }

  #answered(answer: Answer<OperationName>): void {
    const { id, state } = answer.command;
    this.acknowledged.add(id);
    const now: Command | undefined = this.watcher.commands.get(id);
    if (!now || (isTerminal(state) && now.state !== state)) {
      throw new Error(`${id} was answered as ${state}, and the ledger has ${now?.state}`);
    }
  }

  /** Somebody's call; with `again` it is made until it is answered. */
  #call(again: boolean, name: string, work: () => Promise<void>): void {
    const call = this.#keys++;
    this.calls.set(call, name);
    const until = async () => {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof GroundUnavailable)) throw error;
          if (!again) return;
          await this.time.sleep(1000);
        }
      }
    };
    until()
      .catch((error: unknown) => {
        if (!(error instanceof PerigeeError && REFUSALS.has(error.code))) this.#fail(error);
      })
      .finally(() => this.calls.delete(call));
  }

  #checked(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#violation ??= error;
  }
}

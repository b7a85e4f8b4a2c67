import type { Logger } from "pino";
import { Backoff } from "#agent/backoff.ts";
import { ContactPlan } from "#agent/contact/contact-plan.ts";
import { RestingDoorbell } from "#agent/contact/resting-doorbell.ts";
import { WindowStarts } from "#agent/contact/window-starts.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { Journal } from "#agent/journal/journal.ts";
import { AgentLoop, Superseded } from "#agent/loop/agent-loop.ts";
import type { OperationHandlers } from "#agent/operation.ts";
import { OutgoingStore } from "#agent/transfers/outgoing-store.ts";
import type { WindowPlan } from "#protocol/contact-window.ts";
import { FEATURES } from "#protocol/older-agents.ts";
import type { Computer } from "./computer.ts";
import { EDGE, type GroundProcess } from "./ground-process.ts";
import { simDoorbell } from "./sim-doorbell.ts";
import { simGroundPort } from "./sim-ground-port.ts";
import type { SimNetwork } from "./sim-network.ts";
import { SimProcess } from "./sim-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type AgentDeps = {
  computer: Computer;
  network: SimNetwork<GroundProcess>;
  time: VirtualTime;
  log: Logger;
  handlers: OperationHandlers;
  /** the plan of contact windows that the ground has now */
  plan(): WindowPlan | undefined;
  /** what it says that it can do */
  operations: readonly string[];
  /** an answer to what an agent says that is not the newest */
  believed(epoch: number): void;
  /** it has ended by itself: superseded, stopped, or by an error that it should not have */
  ended(error: unknown): void;
};

const BEAT_MS = 30_000;
const STOP_MS = 2_000;

/** A life of an agent: its real loop, session and journal, on a computer's disk, over a network that fails. */
export class AgentProcess {
  readonly process: SimProcess;
  readonly computer: Computer;
  readonly #deps: AgentDeps;
  readonly #stopping = new AbortController();

  constructor(deps: AgentDeps) {
    this.#deps = deps;
    this.computer = deps.computer;
    this.process = new SimProcess(`agent of ${deps.computer.name}`);
    this.computer.begin();
    this.process.within(() => {
      this.#live().then(
        () => this.#end(undefined),
        (error: unknown) => this.#end(error instanceof Superseded ? undefined : error),
      );
    });
  }

  /** As an operator does it: what runs may end for a moment. */
  stop(): void {
    this.process.within(() => this.#stopping.abort());
  }

  /** As a power cut does it. */
  kill(): void {
    if (!this.process.alive) return;
    this.computer.deaths += 1;
    this.process.kill();
  }

  #end(error: unknown): void {
    this.process.kill();
    this.#deps.ended(error);
  }

  async #live(): Promise<void> {
    const { computer, handlers, log, network, operations, time, believed } = this.#deps;
    const { signal } = this.#stopping;
    const journal = new Journal(computer.database);
    const session = new GroundSession(simGroundPort(network, believed));
    const backoff = new Backoff();
    const hello = { journal: journal.id, version: "9", operations: [...operations] };
    while (session.epoch === 0) {
      if (signal.aborted) return;
      try {
        await session.start({ ...hello, features: Object.values(FEATURES) });
      } catch {
        await backoff.wait(signal);
      }
    }
    const contact = new ContactPlan(
      {
        fetch: () =>
          network.call("windows", async () => this.#deps.plan() ?? Promise.reject(new Error("none"))),
        file: {
          read: () => computer.plan,
          write: (plan) => {
            computer.plan = plan;
          },
        },
        log,
      },
      { outsideMs: computer.outsideMs },
    );
    const beat = () => this.#beat(session, contact);
    const again = () => {
      beat();
      this.#deps.time.after(contact.pace(BEAT_MS), again);
    };
    again();
    const doorbell = new RestingDoorbell(simDoorbell(network, time, EDGE), contact, { awake: beat });
    const { link } = session.ground;
    link.onContact(() => doorbell.expectContact());
    const opened = () => {
      doorbell.expectContact();
      beat();
    };
    const starts = new WindowStarts({ plan: contact, link, opened });
    starts.run();
    // no command of these histories sends anything: nothing is ever written there
    const outgoing = new OutgoingStore(computer.database, "/nonexistent");
    const active = () => contact.active();
    const told = { rung: active, took: active, ended: active };
    const deps = { session, journal, handlers, doorbell, log, outgoing, ...told };
    await new AgentLoop(deps, { graceMs: STOP_MS, pace: (ms) => contact.pace(ms) })
      .run(signal)
      .finally(() => starts.close());
  }

  #beat(session: GroundSession, contact: ContactPlan): void {
    session.heartbeat({ nodes: [], usage: {}, free: 1 }).then(
      () => contact.heard(this.#deps.plan()?.revision),
      () => undefined,
    );
  }
}

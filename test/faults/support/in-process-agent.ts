import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { GroundClient, GroundUnavailable } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { HttpDoorbell } from "#agent/ground/http-doorbell.ts";
import { Journal } from "#agent/journal/journal.ts";
import { openStateDatabase } from "#agent/journal/state-database.ts";
import { AgentLoop, type AgentLoopOptions } from "#agent/loop/agent-loop.ts";
import type { OperationHandlers } from "#agent/operation.ts";
import { OutgoingStore } from "#agent/transfers/outgoing-store.ts";
import type { DoorbellListener } from "#protocol/doorbell.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";

export type InProcessAgent = Awaited<ReturnType<typeof startAgent>>;

export type InProcessAgentOptions = {
  url: string;
  /** of the edge */
  token: string;
  /** directory of its journal */
  state: string;
  /** what it does; anything else fails the command */
  handlers: Partial<OperationHandlers>;
  doorbell?: DoorbellListener;
  loop?: AgentLoopOptions;
};

/** The agent's real loop, journal and way to the ground in this process; what it does is the test's. */
export async function startAgent(options: InProcessAgentOptions) {
  const { url, token, state, handlers } = options;
  const database = openStateDatabase(state);
  const journal = new Journal(database);
  const ground = new GroundClient({ url, token });
  const log = pino({ level: process.env.PERIGEE_TEST_LOG ? "info" : "silent" });
  const session = new GroundSession(ground);
  await retried(() => session.start({ journal: journal.id, version: "test", operations: OPERATION_NAMES }));
  const { epoch } = session;
  const beat = () => ground.heartbeat({ epoch, nodes: [], usage: {}, free: 1e12 });
  await retried(beat);
  const missing = { get: (have: object, name: string) => Reflect.get(have, name) ?? unexpected(name) };
  const loop = new AgentLoop(
    {
      session,
      journal,
      handlers: new Proxy(handlers, missing) as OperationHandlers,
      doorbell: options.doorbell ?? new HttpDoorbell({ ground: url, token }),
      log,
      outgoing: new OutgoingStore(database, join(state, "outgoing")),
    },
    { graceMs: 0, pollMs: 200, ...options.loop },
  );
  const controller = new AbortController();
  const running = loop.run(controller.signal);
  running.catch(() => undefined);
  return {
    epoch,
    journal,
    ground,
    beat,
    /** ends when it is stopped; rejects when it was superseded */
    running,
    async stop() {
      controller.abort();
      await running.catch(() => undefined);
      ground.close();
      if (database.isOpen) database.close();
    },
  };
}

function unexpected(name: string) {
  return () => Promise.reject(new Error(`the test did not expect ${name}`));
}

async function retried<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof GroundUnavailable)) throw error;
      await sleep(50);
    }
  }
}

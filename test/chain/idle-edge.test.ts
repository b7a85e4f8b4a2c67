import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import { ContactPlan } from "#agent/contact/contact-plan.ts";
import { RestingDoorbell } from "#agent/contact/resting-doorbell.ts";
import { WindowStarts } from "#agent/contact/window-starts.ts";
import type { GroundPort } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { Link } from "#agent/ground/link.ts";
import { Journal } from "#agent/journal/journal.ts";
import { AgentLoop } from "#agent/loop/agent-loop.ts";
import type { OperationHandlers } from "#agent/operation.ts";
import { Heart } from "#agent/reporting/heart.ts";
import { OutgoingStore } from "#agent/transfers/outgoing-store.ts";
import type { WindowPlan } from "#protocol/contact-window.ts";
import { DOORBELL_WAIT_S } from "#protocol/doorbell.ts";
import { LIMITS } from "#protocol/limits.ts";
import { SimProcess } from "#test/faults/support/joint/sim-process.ts";
import { START, VirtualTime } from "#test/faults/support/joint/virtual-time.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Four windows of ten minutes in a day, and the next day's first: after the last one of its plan an agent does not rest. */
const FOUR: WindowPlan = {
  revision: 1,
  windows: [2, 8, 14, 20, 26].map((hour) => {
    const start = START + hour * HOUR;
    return { start, end: start + 10 * MINUTE, station: "Svalbard" };
  }),
};
const LOG = pino({ level: "silent" });

type Requests = { claim: number; heartbeat: number; doorbell: number };

/** What an agent with nothing to do asks of the cloud in a day: its real parts, as agent.ts puts them together. */
async function day(plan: WindowPlan | undefined, outsideMs: number | undefined): Promise<Requests> {
  const time = new VirtualTime(1);
  return time.during(async () => {
    const process = new SimProcess("agent");
    const asked: Requests = { claim: 0, heartbeat: 0, doorbell: 0 };
    process.within(() => {
      const file = { read: () => plan, write: () => undefined };
      const contact = new ContactPlan(
        { fetch: () => Promise.reject(new Error("not expected")), file, log: LOG },
        { outsideMs },
      );
      const link = new Link();
      const ground = {
        link,
        start: async () => ({ edge: "em1", epoch: 1, lanes: { em: 1 } }),
        claimMany: async () => {
          asked.claim++;
          return { resumed: [], complete: true, commands: [], more: false, lanes: { em: 1 } };
        },
      } as unknown as GroundPort;
      const session = new GroundSession(ground);
      // as at SQS a long poll outlives the wait that began it
      let poll: Promise<unknown> | undefined;
      const queue = {
        async wait(ms: number, signal?: AbortSignal) {
          const end = performance.now() + ms;
          while (performance.now() < end && !signal?.aborted) {
            if (!poll) asked.doorbell++;
            poll ??= sleep(DOORBELL_WAIT_S * 1000).finally(() => {
              poll = undefined;
            });
            const stop = AbortSignal.any(signal ? [signal] : []);
            const over = sleep(end - performance.now(), undefined, { signal: stop }).catch(() => undefined);
            await Promise.race([poll, over]);
          }
          return false;
        },
      };
      const { heartbeatMs } = LIMITS;
      const beat = async () => {
        asked.heartbeat++;
        contact.heard(plan?.revision);
      };
      const due = (sinceMs: number) => sinceMs + heartbeatMs > contact.pace(heartbeatMs);
      const heart = new Heart(beat, LOG, heartbeatMs, due);
      const awake = () => void heart.now();
      const doorbell = new RestingDoorbell(queue, contact, { awake });
      const opened = () => {
        doorbell.expectContact();
        awake();
      };
      new WindowStarts({ plan: contact, link, opened }).run();
      const database = new DatabaseSync(":memory:");
      const outgoing = new OutgoingStore(database, "/nonexistent");
      const handlers = {} as OperationHandlers;
      const journal = new Journal(database);
      const loop = new AgentLoop(
        { session, journal, handlers, doorbell, log: LOG, outgoing },
        { pace: (ms) => contact.pace(ms) },
      );
      session
        .start({ journal: journal.id, version: "test" })
        .then(() => loop.run(new AbortController().signal))
        .catch(() => undefined);
    });
    await time.run(24 * HOUR);
    process.kill();
    return asked;
  });
}

test("with four windows a day an idle edge asks a fifth of what it asks without them, or less", async () => {
  const always = await day(undefined, undefined);
  // as docs/cost.md counts it
  expect(always.heartbeat).toBeGreaterThan(24 * 120 - 5);
  expect(always.claim).toBeGreaterThan(24 * 400);
  const planned = await day(FOUR, 15 * MINUTE);
  for (const kind of ["claim", "heartbeat", "doorbell"] as const) {
    expect(planned[kind], kind).toBeLessThan(always[kind] / 5);
  }
  // It looks out of windows too, and in them as often as ever.
  expect(planned.heartbeat).toBeGreaterThan(4 * 20 + 23 * 4);
});

import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OperationHandler } from "#agent/operation.ts";
import { em } from "#lambdas/dialects/em/dialect.ts";
import type { LaneOptions } from "#lambdas/ledger/lane-options.ts";
import { isTerminal } from "#protocol/state.ts";
import { laneDialect } from "#test/support/lane-dialect.ts";
import { makeWorld, type World } from "#test/support/world.ts";

const lane = (name: string, width: number): LaneOptions => ({
  name,
  width,
  order: "round-robin",
  bounds: { queuePerEdge: 1000, queuePerUser: 200 },
});
const LANES = [lane("wide", 8), lane("some", 3), lane("one", 1)];

let world: World;
beforeEach(async () => {
  world = await makeWorld({ dialects: [em, ...LANES.map(laneDialect)] });
});
afterEach(() => world.close());

/** Queues the deletion of a file of the volume, which the tests' handlers only pretend. */
const queue = async (user: string, lane: string, volume: string) => {
  const request = {
    user,
    edge: "em1",
    lane,
    operation: "volume.delete",
    input: { volume, path: "x" },
  } as const;
  return (await world.ground.dispatch.run({ ...request, admission: "queue", wait: { kind: "none" } }))
    .command;
};

/** Counts what runs at the same time, by key, and the most of it. */
class Gauge {
  readonly most = new Map<string, number>();
  readonly now = new Map<string, number>();

  async during<T>(keys: string[], work: () => Promise<T>): Promise<T> {
    for (const key of keys) {
      const count = (this.now.get(key) ?? 0) + 1;
      this.now.set(key, count);
      this.most.set(key, Math.max(count, this.most.get(key) ?? 0));
    }
    try {
      return await work();
    } finally {
      for (const key of keys) this.now.set(key, this.now.get(key)! - 1);
    }
  }
}

describe("an edge with several lanes", () => {
  test("eight jobs run beside the EM, which serves, and refuses with 423 for its own commands only", async () => {
    const open = Promise.withResolvers<void>();
    const listing = Promise.withResolvers<void>();
    const gauge = new Gauge();
    await world.agent({
      "volume.delete": async () => {
        await gauge.during(["jobs"], () => open.promise);
        return {};
      },
      "nodes.status": async () => ({ nodes: [] }),
      "volumes.list": async () => {
        await listing.promise;
        return { volumes: [] };
      },
    });
    const alice = await world.user("alice");
    const bob = await world.user("bob");
    const jobs = [];
    for (let n = 0; n < 10; n++) jobs.push(await queue("alice", "wide", `v${n}`));
    await expect.poll(() => gauge.now.get("jobs")).toBe(8);
    expect((await bob.fetch("/em/nodes/status")).status).toBe(200);
    const held = bob.fetch("/em/pvc/list");
    const busy = async () =>
      ((await (await bob.fetch("/edge")).json()) as { data: { busy: unknown } }).data.busy !== null;
    await expect.poll(busy).toBe(true);
    const refused = await alice.fetch("/em/nodes/status");
    expect(refused.status).toBe(423);
    expect(await refused.json()).toMatchObject({ error: "LOCKED", message: "CG2 is busy" });
    listing.resolve();
    expect((await held).status).toBe(200);
    expect(gauge.most.get("jobs")).toBe(8);
    open.resolve();
    const state = async (id: string) => (await world.ground.ledger.command("alice", id)).state;
    for (const { id } of jobs) await expect.poll(() => state(id)).toBe("succeeded");
  });

  test("a thousand commands of ten users in four lanes all end, in order for each volume, through deaths", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const heap = () => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const gauge = new Gauge();
    const laneOf = new Map<string, string>();
    const done: { id: string; volume: string }[] = [];
    const handler: OperationHandler<"volume.delete"> = async ({ command, input, signal }) => {
      const volume = `${command.user}/${input.volume}`;
      await gauge.during([laneOf.get(command.id)!, `volume ${volume}`], () => sleep(1));
      signal.throwIfAborted();
      done.push({ id: command.id, volume });
      return {};
    };
    const users = Array.from({ length: 10 }, (_, n) => `user${n}`);
    const all: { user: string; id: string; lane: string; volume: string }[] = [];
    for (let n = 0; n < 100; n++) {
      for (const user of users) {
        // few of the EM's: its queue is short, and it is done one at a time
        const lane = n % 10 === 0 ? "em" : ["wide", "some", "one"][n % 3]!;
        const volume = `v${n % 4}`;
        const { id } = await queue(user, lane, volume);
        laneOf.set(id, lane);
        all.push({ user, id, lane, volume: `${user}/${volume}` });
      }
    }
    let early = 0;
    for (const until of [200, 500, 800, 1000]) {
      const agent = await world.agent({ "volume.delete": handler });
      // what an agent that is gone still does is no agent's any more
      gauge.now.clear();
      await expect.poll(() => new Set(done.map(({ id }) => id)).size >= until).toBe(true);
      if (until === 1000) break;
      agent.abandon();
      early ||= heap();
    }
    const states = async () => {
      const commands = await Promise.all(all.map(({ user, id }) => world.ground.ledger.command(user, id)));
      expect(commands.every(({ state }) => !isTerminal(state) || state === "succeeded")).toBe(true);
      return commands.filter(({ state }) => state === "succeeded").length;
    };
    await expect.poll(states).toBe(1000);
    for (const { name, width } of [...LANES, { name: "em", width: 1 }]) {
      expect(gauge.most.get(name)).toBeLessThanOrEqual(width);
    }
    // first endings: a command that an agent left unfinished is done again
    const place = new Map<string, number>();
    for (const [n, { id }] of done.entries()) if (!place.has(id)) place.set(id, n);
    for (const key of new Set(all.map(({ lane, volume }) => `${lane} ${volume}`))) {
      const mine = all
        .filter(({ lane, volume }) => `${lane} ${volume}` === key)
        .map(({ id }) => place.get(id)!);
      expect(mine).toEqual([...mine].sort((a, b) => a - b));
    }
    expect(heap() - early).toBeLessThan(64 * 1024 * 1024);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OperationHandlers } from "#agent/operation.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import { isTerminal } from "#protocol/state.ts";
import { share } from "#test/support/long-run.ts";
import { gate, makeWorld, type UserClient, type World } from "#test/support/world.ts";
import { expectNoOverlap } from "./support/history.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld({ freeFloorBytes: 0 });
});
afterEach(() => world.close());

/** An edge that notes when it begins and ends each command, by an order that no clock decides. */
class Recorder {
  readonly events: { edge: string; id: string; what: "begin" | "end" }[] = [];
  readonly #pause: () => Promise<void>;

  constructor(pause: () => Promise<void> = () => new Promise(setImmediate)) {
    this.#pause = pause;
  }

  handlers(edge: string): Partial<OperationHandlers> {
    const noting =
      <C extends { command: { id: string }; signal: AbortSignal }, R>(result: (context: C) => R) =>
      async (context: C): Promise<R> => {
        const { id } = context.command;
        this.events.push({ edge, id, what: "begin" });
        try {
          await this.#pause();
          context.signal.throwIfAborted();
          return result(context);
        } finally {
          this.events.push({ edge, id, what: "end" });
        }
      };
    return {
      "nodes.status": noting(() => ({ nodes: [] })),
      "file.delete": noting(() => ({})),
      "volume.list": noting(() => ({ listing: "[]", truncated: false })),
      "volume.uplink": noting(({ input }) => ({ count: input.count, bytes: input.bytes })),
    };
  }

  /** Commands that were begun on the edge, in order; fails when one began before the one before it had ended. */
  order(edge: string): string[] {
    const mine = this.events.filter((event) => event.edge === edge);
    const begun: string[] = [];
    for (let i = 0; i < mine.length; i += 2) {
      expect(mine[i]).toMatchObject({ what: "begin" });
      expect(mine[i + 1]).toMatchObject({ what: "end", id: mine[i]!.id });
      begun.push(mine[i]!.id);
    }
    return begun;
  }
}

/** Every command record of these users. */
async function records(users: string[]): Promise<Command[]> {
  const all: Command[] = [];
  for (const user of users) {
    for (let before: string | undefined; ; ) {
      const page = await world.ground.ledger.commands(user, { limit: 100, ...(before && { before }) });
      all.push(...page);
      if (page.length < 100) break;
      before = page.at(-1)!.id;
    }
  }
  return all;
}

/** The records once each of them has ended. */
async function ended(users: string[]): Promise<Command[]> {
  for (;;) {
    const all = await records(users);
    if (all.every(({ state }) => isTerminal(state))) return all;
    await new Promise((done) => setTimeout(done, 20));
  }
}

type Sent = { status: number; id?: string; retryAfter: string | null };

async function sent(answer: Response): Promise<Sent> {
  const id = answer.headers.get("location")?.split("/").pop();
  const retryAfter = answer.headers.get("retry-after");
  await answer.arrayBuffer();
  return { status: answer.status, ...(id && { id }), retryAfter };
}

const async202 = { prefer: "respond-async" };

describe("a hundred clients on one edge", () => {
  test("of every kind at once: one at a time, none lost, none twice, refused ones never heard of", async () => {
    const recorder = new Recorder(() => new Promise((done) => setTimeout(done, 2)));
    await world.agent(recorder.handlers("em1"));
    const users = ["ann", "bob", "cat", "dan", "eve"];
    const clients = await Promise.all(users.map((user) => world.user(user)));
    const acts: ((client: UserClient, i: number) => Promise<Sent>)[] = [
      async (client) => sent(await client.fetch("/em/nodes/status")),
      async (client) => sent(await client.fetch("/em/files/list")),
      async (client, i) => sent(await client.uplink({ [`f${i}`]: "x" })),
      async (client, i) => sent(await client.uplink({ [`f${i}`]: "x" }, {}, async202)),
      async (client) => sent(await client.fetch("/em/nodes/status", { headers: async202 })),
      async (client) => sent(await client.fetch("/em/files/list", { headers: { prefer: "wait=60" } })),
      async (client, i) => {
        const body = new URLSearchParams({ filepath: `f${i}` });
        return sent(await client.fetch("/em/files/delete", { method: "POST", body, headers: async202 }));
      },
      // queues, and takes it back as soon as it can
      async (client) => {
        const queued = await sent(await client.fetch("/em/nodes/status", { headers: async202 }));
        if (queued.id) {
          const cancelled = await client.fetch(`/commands/${queued.id}/cancel`, { method: "POST" });
          expect([200, 202, 409]).toContain(cancelled.status);
        }
        return queued;
      },
    ];
    const hundred = Array.from({ length: 100 }, async (_, i) => {
      const client = clients[i % clients.length]!;
      const answers: Sent[] = [];
      for (let round = 0; round < share(3, 1); round++)
        answers.push(await acts[(i + round * 3) % acts.length]!(client, i));
      return answers;
    });
    const answers = (await Promise.all(hundred)).flat();
    const commands = await ended(users);

    const statuses = new Set(answers.map(({ status }) => status));
    expect([200, 202, 423, 429]).toEqual(expect.arrayContaining([...statuses]));
    expect([...statuses]).toEqual(expect.arrayContaining([202, 423]));
    for (const { status, retryAfter } of answers) {
      if (status === 423 || status === 429) expect(retryAfter).toMatch(/^[1-9]\d*$/);
    }
    const accepted = answers.filter(({ status }) => status === 200 || status === 202);
    expect(commands).toHaveLength(accepted.length);
    const known = new Set(commands.map(({ id }) => id));
    for (const { id } of accepted) if (id) expect(known).toContain(id);

    const begun = recorder.order("em1");
    expect(new Set(begun).size).toBe(begun.length);
    for (const command of commands) {
      expect(["succeeded", "cancelled"]).toContain(command.state);
      if (command.state === "succeeded") expect(begun).toContain(command.id);
      if (command.claimedAt === undefined) expect(begun).not.toContain(command.id);
      expect(command.attempts).toBe(command.claimedAt === undefined ? 0 : 1);
    }
    expectNoOverlap(commands);
    expect(await world.ground.ledger.lane("em1")).toMatchObject({ queue: [], reserved: [] });
    expect((await world.ground.ledger.lane("em1")).running).toEqual([]);
    expect(await world.ground.staging.list("uplink/")).toEqual([]);
  });

  test("what is queued runs in the order in which it was queued", async () => {
    const recorder = new Recorder();
    const agent = await world.agent({});
    await agent.stop();
    const users = ["ann", "bob", "cat"];
    const clients = await Promise.all(users.map((user) => world.user(user)));
    await Promise.all(
      Array.from({ length: 45 }, (_, i) =>
        clients[i % 3]!.fetch("/em/nodes/status", { headers: async202 }).then(sent),
      ),
    );
    const { queue } = await world.ground.ledger.lane("em1");
    expect(queue).toHaveLength(45);
    await world.agent(recorder.handlers("em1"));
    expectNoOverlap(await ended(users));
    expect(recorder.order("em1")).toEqual(queue.map(({ id }) => id));
  });

  test("agents that come and go in between change nothing of that", async () => {
    const recorder = new Recorder(() => new Promise((done) => setTimeout(done, 5)));
    const users = ["ann", "bob", "cat"];
    const clients = await Promise.all(users.map((user) => world.user(user)));
    const begin = () => world.agent(recorder.handlers("em1"));
    let agent = await begin();
    const accepted = Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const answer = await clients[i % 3]!.fetch("/em/files/list", { headers: async202 });
        return sent(answer);
      }),
    );
    for (let life = 0; life < share(6, 3); life++) {
      const seen = recorder.events.length;
      while (recorder.events.length < seen + 4) await new Promise(setImmediate);
      await agent.stop();
      agent = await begin();
    }
    const answers = await accepted;
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    const commands = await ended(users);
    expect(commands).toHaveLength(60);
    for (const command of commands) expect(command.state).toBe("succeeded");
    expectNoOverlap(commands);
    expect(new Set(recorder.order("em1"))).toEqual(new Set(commands.map(({ id }) => id)));
  });
});

describe("many edges, two clients each, at once", () => {
  const names = Array.from({ length: share(50, 12) }, (_, i) => `edge${i}`);

  async function many(handlers: (edge: string) => Partial<OperationHandlers>) {
    for (const name of names) await world.addEdge(name);
    await world.addEdge("stuck");
    await world.addEdge("away");
    const all = [...names, "stuck", "away"];
    const clients = [await world.user("ann", all), await world.user("bob", all)];
    await Promise.all(names.map((edge) => world.agent(handlers(edge), { edge })));
    return clients;
  }

  test("each edge does its own, one at a time, and all of it", async () => {
    const recorder = new Recorder();
    const clients = await many((edge) => recorder.handlers(edge));
    const calls = names.flatMap((edge) =>
      clients.map(async (client) => {
        const headers = { "perigee-edge": edge };
        const waited = await sent(
          await client.fetch("/em/nodes/status", { headers: { ...headers, prefer: "wait=60" } }),
        );
        const uplinked = await sent(await client.uplink({ f: edge }, {}, { ...headers, prefer: "wait=60" }));
        return [waited.status, uplinked.status];
      }),
    );
    expect((await Promise.all(calls)).flat()).toEqual(Array.from({ length: 4 * names.length }, () => 200));
    const commands = await ended(["ann", "bob"]);
    expect(commands).toHaveLength(4 * names.length);
    for (const edge of names) {
      const mine = commands.filter((command) => command.edge === edge);
      expect(mine.map(({ state }) => state)).toEqual(["succeeded", "succeeded", "succeeded", "succeeded"]);
      expectNoOverlap(mine);
      expect(new Set(recorder.order(edge))).toEqual(new Set(mine.map(({ id }) => id)));
    }
  });

  test("an edge that is stuck, one that is full and one that is away stop no other", async () => {
    const hold = gate();
    const recorder = new Recorder();
    const clients = await many((edge) => recorder.handlers(edge));
    const holding = async () => {
      await hold.passed;
      return { nodes: [] };
    };
    await world.agent({ "nodes.status": holding }, { edge: "stuck" });
    const call = (client: UserClient, edge: string, prefer?: string) =>
      client.fetch("/em/nodes/status", { headers: { "perigee-edge": edge, ...(prefer && { prefer }) } });
    const stuck = call(clients[0]!, "stuck", "wait=60");
    const full = await Promise.all(
      Array.from({ length: 25 }, () => call(clients[1]!, "stuck", "respond-async").then(sent)),
    );
    expect(full.filter(({ status }) => status === 202)).toHaveLength(20);
    expect(full.filter(({ status }) => status === 429)).toHaveLength(5);
    expect((await call(clients[0]!, "away")).status).toBe(503);
    const others = names.flatMap((edge) => clients.map((client) => call(client, edge, "wait=60")));
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(others.map(() => 200));
    expect((await call(clients[0]!, "stuck")).status).toBe(423);
    // the quota of places is one edge's own
    expect((await call(clients[1]!, "edge1")).status).toBe(200);
    const before = await records(["ann", "bob"]);
    expect(before.filter(({ edge, state }) => edge === "stuck" && isTerminal(state))).toEqual([]);
    hold.open();
    expect((await stuck).status).toBe(200);
    const commands = await ended(["ann", "bob"]);
    expectNoOverlap(commands.filter(({ edge }) => edge === "stuck"));
  });
});

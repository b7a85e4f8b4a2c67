import { DeleteQueueCommand } from "@aws-sdk/client-sqs";
import { afterEach, describe, expect, inject, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import { isTerminal } from "#protocol/state.ts";
import { expectNoOverlap } from "#test/faults/support/history.ts";
import { gate } from "#test/support/world.ts";
import { makeQueue } from "./support/aws.ts";
import { type CloudWorld, makeCloudWorld } from "./support/cloud-world.ts";
import { FaultySqs } from "./support/faulty-sqs.ts";

const endpoint = inject("awsEndpoint");
const LONG = 540_000;
const MINUTE = 60_000;

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});
const open = <T extends { close(): Promise<void> }>(made: T): T => {
  closing.unshift(made);
  return made;
};

const ended = async (world: CloudWorld, user: string): Promise<Command[]> => {
  const all = () => world.ground.ledger.commands(user, { limit: 1000 });
  const terminal = async () => (await all()).every(({ state }) => isTerminal(state));
  await expect.poll(terminal, { timeout: 180_000, interval: 200 }).toBe(true);
  return all();
};

/** An edge that deletes, and knows how often it was told to delete what. */
const deleting = () => {
  const effects: string[] = [];
  return {
    effects,
    handlers: {
      "file.delete": async ({ input }: { input: { path: string } }) => {
        effects.push(input.path);
        return {};
      },
    },
  };
};
const names = (count: number) => Array.from({ length: count }, (_, n) => `f${String(n).padStart(3, "0")}`);
const destroy = (client: Awaited<ReturnType<CloudWorld["user"]>>, filepath: string, headers = {}) =>
  client.fetch("/em/files/delete", { method: "POST", headers, body: new URLSearchParams({ filepath }) });

describe("the lock on DynamoDB", () => {
  test("200 calls over two grounds, 20 in flight: one holder at a time, all others 423", {
    timeout: LONG,
  }, async () => {
    const world = open(await makeCloudWorld(endpoint));
    await world.agent({ "nodes.status": async () => ({ nodes: [] }) }, { beats: true });
    const alice = await world.user("alice");
    const statuses: number[] = [];
    let next = 0;
    const caller = async () => {
      while (next < 200) {
        const base = next++ % 2 === 0 ? world.url : world.agentUrl;
        const answer = await fetch(`${base}/em/nodes/status`, {
          headers: { authorization: `Bearer ${alice.token}` },
        });
        statuses.push(answer.status);
        await answer.arrayBuffer();
      }
    };
    await Promise.all(Array.from({ length: 20 }, caller));
    expect(statuses).toHaveLength(200);
    expect(new Set(statuses)).toEqual(new Set([200, 423]));
    const commands = await ended(world, "alice");
    expect(commands).toHaveLength(statuses.filter((status) => status === 200).length);
    expect(new Set(commands.map(({ state }) => state))).toEqual(new Set(["succeeded"]));
    expectNoOverlap(commands);
    expect(await world.ground.ledger.lane("em1")).toMatchObject({ queue: [], reserved: [] });
    expect((await world.ground.ledger.lane("em1")).running).toEqual([]);
  });

  test("commands queued from two grounds at once keep one order, and none is lost", {
    timeout: LONG,
  }, async () => {
    const world = open(await makeCloudWorld(endpoint));
    const { effects, handlers } = deleting();
    const alice = await world.user("alice");
    const bob = await world.user("bob", ["em1"]);
    const wanted = names(36);
    const answers = await Promise.all(
      wanted.map((name, n) =>
        fetch(`${n % 2 === 0 ? world.url : world.agentUrl}/em/files/delete`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${n % 4 < 2 ? alice.token : bob.token}`,
            prefer: "respond-async",
          },
          body: new URLSearchParams({ filepath: name }),
        }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    await world.agent(handlers, { pollMs: 500, beats: true });
    const commands = [...(await ended(world, "alice")), ...(await ended(world, "bob"))];
    expect(effects.toSorted()).toEqual(wanted);
    expectNoOverlap(commands);
  });
});

describe("the doorbell on SQS", () => {
  test("rings that are lost, doubled or answered to nobody lose and double nothing", {
    timeout: LONG,
  }, async () => {
    const sqs = open(await FaultySqs.start(endpoint));
    const world = open(await makeCloudWorld(endpoint, { bellEndpoint: sqs.url }));
    let sent = 0;
    let heard = 0;
    sqs.fault = (action) => {
      if (action === "SendMessage") return (["lost", "doubled", undefined] as const)[sent++ % 3];
      if (action === "ReceiveMessage") return heard++ % 4 === 1 ? "answer lost" : undefined;
      return action.startsWith("DeleteMessage") && heard % 3 === 0 ? "answer lost" : undefined;
    };
    const { effects, handlers } = deleting();
    await world.agent(handlers, { pollMs: 400, beats: true });
    const alice = await world.user("alice");
    const wanted = names(30);
    for (const name of wanted) expect((await destroy(alice, name)).status).toBe(200);
    expect(effects).toEqual(wanted);
    expect(sent).toBeGreaterThanOrEqual(30);
    const commands = await ended(world, "alice");
    expect(commands.map(({ attempts }) => attempts)).toEqual(Array(30).fill(1));
  });

  test("a queue that is deleted and made again loses and doubles nothing", { timeout: LONG }, async () => {
    const world = open(await makeCloudWorld(endpoint));
    const { effects, handlers } = deleting();
    await world.agent(handlers, { pollMs: 400, beats: true });
    const alice = await world.user("alice");
    const { url, name } = world.queue("em1");
    const act = async (file: string) => expect((await destroy(alice, file)).status).toBe(200);
    await act("before");
    await world.aws.sqs.send(new DeleteQueueCommand({ QueueUrl: url }));
    await act("without");
    await act("without-again");
    expect(await makeQueue(world.aws.sqs, name)).toBe(url);
    await act("after");
    // and it is heard again: no longer than its pause after errors until a long poll is under way
    const receives = () => world.calls.filter((call) => call.startsWith("agent DeleteMessage")).length;
    const until = receives();
    await expect
      .poll(
        async () => {
          await world.ground.ledger.lane("em1");
          await act(`heard-${effects.length}`);
          return receives();
        },
        { timeout: 180_000 },
      )
      .toBeGreaterThan(until);
    expect(new Set(effects).size).toBe(effects.length);
    const commands = await ended(world, "alice");
    expect(commands).toHaveLength(effects.length);
  });
});

describe("clocks", () => {
  test.each([
    ["ahead", 7 * MINUTE],
    ["behind", -7 * MINUTE],
  ])(
    "the ground minutes %s of the edge and of AWS changes no outcome",
    { timeout: LONG },
    async (_name, skew) => {
      const now = () => Date.now() + skew;
      const waiting = { eager: { first: 50 }, withdrawMs: 1500 };
      const world = open(await makeCloudWorld(endpoint, { now, waiting }));
      const alice = await world.user("alice");
      expect((await alice.fetch("/em/nodes/status")).status).toBe(503);
      const agent = await world.agent(
        {
          "nodes.status": async () => ({ nodes: [] }),
          "volume.list": async ({ store }) => ({
            content: await store(0, Buffer.from("[]"), 2),
            truncated: false,
          }),
          "volume.uplink": async ({ input, manifest, fetch }) => {
            for (const { n } of await manifest())
              for await (const chunk of await fetch(n)) expect(chunk).toBeDefined();
            return { count: input.count, bytes: input.bytes };
          },
        },
        { pollMs: 400 },
      );
      expect((await alice.fetch("/em/nodes/status")).status).toBe(200);
      const listed = await alice.fetch("/em/files/list?pod_name=p");
      expect(await listed.json()).toMatchObject({ data: [] });
      expect((await alice.uplink({ file: "content" }, { pod_name: "p" })).status).toBe(200);
      // In contact, but it takes nothing: withdrawn after its time, by a clock that is nobody else's.
      await agent.stop();
      const [, last] = [await agent.beat().catch(() => undefined), await alice.fetch("/em/nodes/status")];
      expect(last.status).toBe(503);
      const [withdrawn, ...others] = await ended(world, "alice");
      expect(withdrawn?.state).toBe("expired");
      expect(new Set(others.map(({ state }) => state))).toEqual(new Set(["succeeded"]));
    },
  );
});

describe("whoever goes away", () => {
  test("a caller that hangs up cancels nothing: the command goes on, another ground tells of it", {
    timeout: LONG,
  }, async () => {
    const world = open(await makeCloudWorld(endpoint));
    const begun = gate();
    const go = gate();
    await world.agent({
      "nodes.status": async () => {
        begun.open();
        await go.passed;
        return { nodes: [{ name: "mpu1", status: "True" }] };
      },
    });
    const alice = await world.user("alice");
    const caller = new AbortController();
    const cut = alice.fetch("/em/nodes/status", { signal: caller.signal });
    await begun.passed;
    caller.abort();
    await expect(cut).rejects.toThrow();
    go.open();
    const elsewhere = (path: string) =>
      fetch(world.agentUrl + path, { headers: { authorization: `Bearer ${alice.token}` } });
    await ended(world, "alice");
    const { data } = (await (await elsewhere("/commands?limit=1")).json()) as { data: object[] };
    expect(data).toMatchObject([
      { state: "succeeded", attempts: 1, result: { nodes: [{ name: "mpu1", status: "True" }] } },
    ]);
    expect((await elsewhere("/em/nodes/status")).status).toBe(200);
  });

  test("a ground that dies while an upload comes in leaves what another one's janitor clears away", {
    timeout: LONG,
  }, async () => {
    const world = open(await makeCloudWorld(endpoint));
    await world.agent({});
    await world.user("alice");
    const draft = { user: "alice", edge: "em1", operation: "volume.uplink", input: {} } as const;
    const command = await world.ground.ledger.reserve(draft, false);
    const prefix = `uplink/alice/p/${command.id}/`;
    await world.ground.staging.put(`${prefix}0`, Buffer.from("half of it"), { maxBytes: 100 });
    await world.agentGround.janitor.round();
    expect(await world.ground.staging.usage(prefix)).toBe(10);
    await world.agentGround.janitor.round(0);
    expect(await world.ground.staging.list(prefix)).toEqual([]);
    expect(await world.ground.ledger.command("alice", command.id)).toMatchObject({ state: "expired" });
  });
});

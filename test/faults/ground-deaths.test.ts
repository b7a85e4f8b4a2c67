import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OperationHandlers } from "#agent/operation.ts";
import { type Answer, blobOf } from "#test/contract/support/client.ts";
import { LONG } from "#test/support/long-run.ts";
import { type Deployment, deploy, type Lane } from "./support/deployment.ts";
import { type InProcessAgent, startAgent } from "./support/in-process-agent.ts";

let deployment: Deployment;
let lane: Lane;
let agent: InProcessAgent | undefined;
/** what took effect on the edge, in order: ids of commands */
let effects: string[] = [];
/** content of uplinked files as it arrived, by path */
const arrived = new Map<string, string>();

beforeAll(async () => {
  deployment = await deploy(1, { agents: false });
  lane = deployment.lanes[0]!;
  agent = await start();
});
// On a slow machine all of this takes longer than contact lasts without a heartbeat.
beforeEach(() => agent?.beat());
afterAll(async () => {
  await agent?.stop();
  await deployment.close();
});

const handlers: Partial<OperationHandlers> = {
  "file.delete": async ({ command }) => {
    effects.push(command.id);
    return {};
  },
  "volume.uplink": async ({ command, input, manifest, fetch }) => {
    for (const { n, path } of await manifest()) {
      const chunks: Buffer[] = [];
      for await (const chunk of await fetch(n)) chunks.push(chunk as Buffer);
      arrived.set(path, Buffer.concat(chunks).toString());
    }
    effects.push(command.id);
    return { count: input.count, bytes: input.bytes };
  },
  "volume.read": async ({ command, store }) => {
    effects.push(command.id);
    const content = await store(0, Buffer.from("downlinked"), 1000);
    return { kind: "file", name: "f", total: 10, etag: '"e"', modified: 0, content };
  },
};

function start() {
  return startAgent({ url: deployment.url, token: lane.token, state: lane.agentData, handlers });
}

type Command = { command_id: string; state: string; attempts: number };

async function commands(): Promise<Command[]> {
  return (await lane.client.get("/commands", { limit: 200 })).json.data;
}

/** The user's commands that are not in `before`, each followed to its end. */
async function ended(before: Command[]): Promise<Command[]> {
  const known = new Set(before.map(({ command_id }) => command_id));
  const added = (await commands()).filter(({ command_id }) => !known.has(command_id));
  for (const one of added) {
    while (["staging", "queued", "running"].includes(one.state)) {
      const answer = await lane.client.get(`/commands/${one.command_id}`, { wait: 20 });
      Object.assign(one, answer.json.data);
    }
  }
  return added;
}

/** Has the ground die at `point` of what `call` asks for, and starts it again on the same port and data. */
async function killedAt(point: string, call: () => Promise<Answer>): Promise<PromiseSettledResult<Answer>> {
  deployment.ground.arm(point);
  const answer = Promise.allSettled([call()]);
  await deployment.ground.death(point);
  await deployment.ground.start();
  return (await answer)[0]!;
}

const destroy = (key: string, prefer?: string) => () =>
  lane.client.form(
    "/em/files/delete",
    { filepath: key },
    { headers: { "idempotency-key": key, ...(prefer && { prefer }) } },
  );

describe("the ground dies, and is started again on the same port and data", () => {
  const common = [
    "dispatch.submitted",
    "agent.claimed",
    "agent.before.report",
    "agent.reported",
    "agent.before.acknowledged",
  ];

  test.each(common)(
    "a waiting call, killed at %s: done once, and the same key asks for its answer",
    async (point) => {
      effects = [];
      const before = await commands();
      const cut = await killedAt(point, destroy(`waiting ${point}`));
      expect(cut.status).toBe("rejected");
      const again = await destroy(`waiting ${point}`)();
      expect({ status: again.status, body: again.json }).toEqual({
        status: 200,
        body: { message: "File deleted successfully" },
      });
      const added = await ended(before);
      expect(added).toMatchObject([{ state: "succeeded", attempts: 1 }]);
      expect(effects).toEqual(added.map(({ command_id }) => command_id));
    },
  );

  // what the ground does at each of them is the same for a call that waits
  const queued = LONG ? common : ["dispatch.submitted", "agent.before.acknowledged"];
  test.each(queued)("a queued one, killed at %s: done once", async (point) => {
    effects = [];
    const before = await commands();
    const key = `queued ${point}`;
    await killedAt(point, destroy(key, "respond-async"));
    const again = await destroy(key, "wait=60")();
    expect(again.status).toBe(200);
    const added = await ended(before);
    expect(added).toMatchObject([{ state: "succeeded", attempts: 1 }]);
    expect(effects).toEqual(added.map(({ command_id }) => command_id));
  });

  test.each(["dispatch.reserved", "dispatch.staged"])(
    "an uplink, killed at %s: never acknowledged, never done, nothing of it stays",
    async (point) => {
      effects = [];
      const before = await commands();
      const cut = await killedAt(point, () => lane.client.uplink({ [point]: "x".repeat(100_000) }));
      expect(cut.status).toBe("rejected");
      expect(await ended(before)).toMatchObject([{ state: "expired", attempts: 0 }]);
      expect(effects).toEqual([]);
      expect(deployment.staged()).toEqual([]);
      expect((await lane.client.uplink({ after: "y" })).status).toBe(200);
    },
  );

  test.each(["dispatch.queued", "agent.claimed", "agent.before.report", "agent.reported"])(
    "an uplink, killed at %s: all its files arrive, once, and staging is empty after the next start",
    async (point) => {
      effects = [];
      arrived.clear();
      const before = await commands();
      await killedAt(point, () => lane.client.uplink({ a: `1 ${point}`, "d/b": `2 ${point}` }));
      const added = await ended(before);
      expect(added).toMatchObject([{ state: "succeeded", attempts: 1 }]);
      expect(effects).toEqual(added.map(({ command_id }) => command_id));
      expect([...arrived]).toEqual([
        ["a", `1 ${point}`],
        ["d/b", `2 ${point}`],
      ]);
      await deployment.ground.kill();
      await deployment.ground.start();
      expect(deployment.staged()).toEqual([]);
    },
  );

  test("in the middle of an uplink's body: nothing of it stays", async () => {
    const before = await commands();
    const body = new FormData();
    body.append("files", blobOf("whole"), "first");
    const encoded = new Response(body);
    const type = encoded.headers.get("content-type")!;
    const begin = Buffer.from(await encoded.arrayBuffer());
    const reserved = Promise.withResolvers<void>();
    const slow = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(begin.subarray(0, begin.length - 20)),
      pull: () => reserved.promise,
    });
    const cut = fetch(`${deployment.url}/em/files/uplink`, {
      method: "POST",
      headers: { authorization: `Bearer ${lane.client.token}`, "content-type": type },
      body: slow,
      duplex: "half",
    });
    cut.catch(() => undefined);
    while ((await commands()).length === before.length) await new Promise(setImmediate);
    await deployment.ground.kill();
    await deployment.ground.start();
    reserved.resolve();
    await expect(cut).rejects.toThrow();
    expect(await ended(before)).toMatchObject([{ state: "expired", attempts: 0 }]);
    expect(deployment.staged()).toEqual([]);
  });

  test("killed at dispatch.cancelled: the cancel stands, and its files go", async () => {
    effects = [];
    await agent!.stop();
    const before = await commands();
    const queued = await lane.client.uplink({ f: "x" }, {}, { headers: { prefer: "respond-async" } });
    expect(queued.status).toBe(202);
    expect(deployment.staged()).not.toEqual([]);
    const path = queued.header("location")!;
    await killedAt("dispatch.cancelled", () => lane.client.request("POST", `${path}/cancel`));
    expect(await ended(before)).toMatchObject([{ state: "cancelled", attempts: 0 }]);
    expect(deployment.staged()).toEqual([]);
    expect((await lane.client.request("POST", `${path}/cancel`)).status).toBe(200);
    agent = await start();
    expect((await destroy("after the cancel")()).status).toBe(200);
    expect(effects).toHaveLength(1);
  });

  test("killed at agent.started: the next epoch is the agent's, and commands are done", async () => {
    await agent!.stop();
    effects = [];
    const queued = await destroy("while away", "respond-async")();
    expect(queued.status).toBe(202);
    deployment.ground.arm("agent.started");
    const starting = start();
    await deployment.ground.death("agent.started");
    await deployment.ground.start();
    agent = await starting;
    expect((await destroy("while away", "wait=60")()).status).toBe(200);
    expect(effects).toHaveLength(1);
  });

  test("a result is there after a restart: content is downlinked by a call whose key is asked again", async () => {
    effects = [];
    const read = () =>
      lane.client.get("/em/files/downlink", { filepath: "f" }, { headers: { "idempotency-key": "read" } });
    await killedAt("agent.reported", read);
    const again = await read();
    expect({ status: again.status, text: again.text }).toEqual({ status: 200, text: "downlinked" });
    expect(effects).toHaveLength(1);
  });

  test("killed again and again from outside while many commands are queued: each is done once", async () => {
    effects = [];
    const before = await commands();
    const acknowledged: string[] = [];
    const clients = Array.from({ length: 4 }, async (_, i) => {
      for (let n = 0; n < 5; n++) {
        const key = `storm ${i} ${n}`;
        for (let answered = false; !answered; ) {
          const answer = await destroy(key, "respond-async")().catch(() => undefined);
          answered = answer?.status === 202 || answer?.status === 200;
          if (answered && answer!.status === 202)
            acknowledged.push(answer!.header("location")!.split("/").pop()!);
        }
      }
    });
    for (let i = 0; i < 3; i++) {
      await deployment.ground.kill();
      await deployment.ground.start();
      const seen = effects.length;
      while (effects.length === seen && effects.length < 20)
        await new Promise((done) => setTimeout(done, 20));
    }
    await Promise.all(clients);
    const added = await ended(before);
    expect(added).toHaveLength(20);
    for (const command of added) expect(command.state).toBe("succeeded");
    expect([...effects].sort()).toEqual(added.map(({ command_id }) => command_id).sort());
    expect(effects).toEqual(expect.arrayContaining(acknowledged));
  });
});

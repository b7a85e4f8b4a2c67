import { afterEach, describe, expect, test } from "vitest";
import { gate, makeWorld, type UserClient, type World } from "#test/support/world.ts";

type Body = { data: { command_id: string; state: string; position?: number } };

describe("waiting", () => {
  let world: World;
  let alice: UserClient;
  const start = async (options: Parameters<typeof makeWorld>[0] = {}) => {
    world = await makeWorld(options);
    alice = await world.user("alice");
  };
  afterEach(() => world.close());
  const json = async (answer: Response) => (await answer.json()) as Body;

  test("an uplink that the edge does not take is 202 when its wait ends, and is done later", async () => {
    await start({ waiting: { withdrawMs: 200 } });
    // In contact, and not claiming.
    await (await world.agent({})).stop();
    const answer = await alice.uplink({ a: "x" });
    expect(answer.status).toBe(202);
    const location = answer.headers.get("location")!;
    expect(await json(answer)).toMatchObject({ data: { state: "queued", position: 1 } });
    await world.agent({ "volume.uplink": async () => ({ count: 1, bytes: 1 }) });
    await expect
      .poll(async () => (await json(await alice.fetch(`${location}?wait=5`))).data.state, { timeout: 90_000 })
      .toBe("succeeded");
  });

  test("an uplink that is staged while another command runs waits its turn and is answered", async () => {
    await start();
    const hold = gate();
    const reached = gate();
    await world.agent({
      "nodes.status": async () => {
        reached.open();
        await hold.passed;
        return { nodes: [] };
      },
      "volume.uplink": async () => ({ count: 1, bytes: 1 }),
    });
    // The early check passes on a free edge; the body ends when the edge is busy.
    let finish = () => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const head = '--b\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\nx';
        controller.enqueue(Buffer.from(head));
        finish = () => {
          controller.enqueue(Buffer.from("\r\n--b--\r\n"));
          controller.close();
        };
      },
    });
    const uplink = alice.fetch("/em/files/uplink", {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body,
      duplex: "half",
    } as RequestInit);
    await expect
      .poll(async () => (await json(await alice.fetch("/commands?state=staging"))).data)
      .toHaveLength(1);
    const nodes = alice.fetch("/em/nodes/status");
    await reached.passed;
    finish();
    await expect
      .poll(async () => (await json(await alice.fetch("/commands?state=queued"))).data)
      .toHaveLength(1);
    hold.open();
    expect([(await nodes).status, (await uplink).status]).toEqual([200, 200]);
  });

  test("past the deadline of the work a waiter gets 202 and the command goes on", async () => {
    await start({ waiting: { maxWaitMs: 300 } });
    const hold = gate();
    await world.agent({
      "nodes.status": async () => {
        await hold.passed;
        return { nodes: [] };
      },
    });
    const answer = await alice.fetch("/em/nodes/status");
    expect(answer.status).toBe(202);
    hold.open();
    const location = answer.headers.get("location")!;
    await expect
      .poll(async () => (await json(await alice.fetch(location))).data.state, { timeout: 90_000 })
      .toBe("succeeded");
  });

  test("a lost contact frees nothing: 503 on EM routes, `contact: lost` on the command, the next claim goes on", async () => {
    let now = Date.now();
    await start({ now: () => now, waiting: { maxWaitMs: 500 } });
    const reached = gate();
    let stuck = true;
    const handler = async () => {
      reached.open();
      if (stuck) await new Promise(() => {});
      return { nodes: [] };
    };
    const agent = await world.agent({ "nodes.status": handler });
    const accepted = await alice.fetch("/em/nodes/status", { headers: { prefer: "respond-async" } });
    await reached.passed;
    const location = accepted.headers.get("location")!;
    now += 91_000;
    const refused = await alice.fetch("/em/nodes/status");
    expect([refused.status, await refused.json()]).toMatchObject([503, { error: "EM_UNREACHABLE" }]);
    expect(await json(await alice.fetch(location))).toMatchObject({
      data: { state: "running", contact: "lost" },
    });
    expect(await json(await alice.fetch("/edge"))).toMatchObject({ data: { contact: { state: "lost" } } });
    agent.abandon();
    stuck = false;
    await world.agent({ "nodes.status": handler }, { state: "another" });
    await expect
      .poll(async () => (await json(await alice.fetch(location))).data, { timeout: 90_000 })
      .toMatchObject({ state: "succeeded", attempts: 2 });
  });

  test("GET /commands is paged, filtered and checked", async () => {
    await start();
    for (let i = 0; i < 5; i++) {
      await alice.fetch("/em/nodes/status", { headers: { prefer: "respond-async" } });
    }
    type Page = { data: { command_id: string }[]; next?: string };
    const first = (await (await alice.fetch("/commands?limit=3")).json()) as Page;
    const rest = (await (await alice.fetch(`/commands?limit=3&before=${first.next}`)).json()) as Page;
    const ids = [...first.data, ...rest.data].map(({ command_id }) => command_id);
    expect(ids).toEqual([...new Set(ids)].sort().reverse());
    expect([ids.length, rest.next]).toEqual([5, undefined]);
    const none = (await (await alice.fetch("/commands?state=failed")).json()) as Page;
    expect([none.data, none.next]).toEqual([[], undefined]);
    for (const query of [
      "state=queued&state=failed",
      "limit=1&limit=2",
      "limit=0",
      "limit=x",
      "limit=201",
      "state=done",
    ]) {
      const refused = await alice.fetch(`/commands?${query}`);
      expect([refused.status, await refused.json()]).toMatchObject([400, { error: "INVALID_PARAMETERS" }]);
    }
    expect((await alice.fetch(`/commands/${ids[0]}?wait=61`)).status).toBe(400);
  });

  test("the open routes need no token and name no user, pod or command", async () => {
    await start();
    await world.agent({ "nodes.status": async () => ({ nodes: [] }) });
    await alice.fetch("/em/nodes/status");
    const metrics = await (await fetch(`${world.url}/metrics`)).text();
    expect(metrics).toContain('perigee_commands_ended_total{operation="nodes.status",state="succeeded"} 1');
    expect(metrics).toContain('perigee_edges{contact="ok"} 1');
    expect(metrics).not.toMatch(/alice|[0-9A-HJKMNP-TV-Z]{26}/);
    expect(await (await fetch(`${world.url}/healthz`)).json()).toMatchObject({ status: "ok" });
    expect(await (await fetch(`${world.url}/openapi.json`)).json()).toMatchObject({ openapi: "3.1.0" });
  });

  test("a process whose time ends answers 202 before, and the command goes on", async () => {
    // 10 s are kept for the answer: a few seconds of waiting are left
    let end = Number.POSITIVE_INFINITY;
    await start({ timeLeftMs: () => end - performance.now() });
    const hold = gate();
    await world.agent({
      "nodes.status": async () => {
        await hold.passed;
        return { nodes: [] };
      },
    });
    end = performance.now() + 13_000;
    const answer = await alice.fetch("/em/nodes/status");
    expect(answer.status).toBe(202);
    const { data } = await json(answer);
    expect(data.state).toBe("running");
    hold.open();
    end = Number.POSITIVE_INFINITY;
    await expect
      .poll(async () => (await json(await alice.fetch(`/commands/${data.command_id}?wait=5`))).data.state, {
        timeout: 90_000,
      })
      .toBe("succeeded");
  });
});

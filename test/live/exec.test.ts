import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LIVE_FEATURES } from "#protocol/live-control.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import { connectExec, refusal } from "./support/exec-client.ts";
import { exec, type LiveWorld, makeLiveWorld, whole } from "./support/live-world.ts";

let world: LiveWorld;
beforeEach(async () => {
  world = await makeLiveWorld();
});
afterEach(() => world.close());

describe("a live session", () => {
  it("brings output apart, the exit code, and is noted without its content", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const script = "echo out; echo err >&2; exit 3";
    expect(await whole(world.open("alice", "p", exec(["sh", "-c", script])))).toEqual({
      stdout: "out\n",
      stderr: "err\n",
      end: { type: "exit", code: 3 },
    });
    await expect
      .poll(async () => (await world.ground.live.notes.list("alice", Date.now()))[0])
      .toMatchObject({ kind: "exec", end: { type: "exit", code: 3 }, bytesIn: 0, bytesOut: 8 });
    expect(JSON.stringify(await world.ground.live.notes.list("alice", Date.now()))).not.toContain("echo");
  });

  it("brings input byte for byte up to its end, many at once and each its own", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const texts = Array.from({ length: 8 }, (_, n) => Buffer.alloc(700_000, `${n}`));
    const results = await Promise.all(
      texts.map(async (text) => {
        const session = world.open("alice", "p", exec(["cat"]));
        const sent = session.write(text).then(() => session.control({ type: "eof" }));
        const [result] = await Promise.all([whole(session), sent]);
        return Buffer.from(result.stdout).equals(text) && result.end;
      }),
    );
    expect(results).toEqual(texts.map(() => ({ type: "exit", code: 0 })));
    expect(world.sessions.running).toBe(0);
  });

  it("reads a file with its size and writes what comes, whole or not at all", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const read = world.open("alice", "p", { kind: "read", read: { path: "package.json", as: "user" } });
    const { stdout, end } = await whole(read);
    expect([(await read.started)?.size, end]).toEqual([Buffer.byteLength(stdout), { type: "exit", code: 0 }]);
    const missing = world.open("alice", "p", { kind: "read", read: { path: "/nowhere", as: "user" } });
    expect((await whole(missing)).end).toMatchObject({ type: "error", code: "FILE_UNREADABLE" });
    const write = world.open("alice", "p", { kind: "write", write: { remove: [] } });
    await write.write(Buffer.alloc(300_000, 1));
    write.control({ type: "eof" });
    expect((await whole(write)).end).toEqual({ type: "exit", code: 0 });
    expect(world.sessions.tar).toHaveLength(300_000);
    const half = world.open("alice", "p", { kind: "write", write: { remove: [] } });
    await half.write(Buffer.alloc(10, 2));
    await half.started;
    half.close();
    expect(await half.ended).toMatchObject({ code: "CANCELLED" });
    expect(world.sessions.tar?.[0]).toBe(1);
  });

  it("ends at its time limit at once, which counts from the start, and stops what runs", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const limited = world.open("alice", "p", exec(["sh", "-c", "echo a; exec sleep 60"], { limitMs: 200 }));
    expect(await whole(limited)).toMatchObject({ stdout: "a\n", end: { type: "timeout" } });
    await expect.poll(() => world.sessions.running).toBe(0);
    expect(world.sessions.signals).toEqual(["SIGTERM"]);
    const over = world.open("alice", "p", exec(["true"], { limitMs: -1 }));
    expect((await whole(over)).end).toEqual({ type: "timeout" });
    expect(world.sessions.started).toHaveLength(1);
  });

  it("ends when its user goes, and kills what does not end by itself", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    const session = world.open("alice", "p", exec(["sh", "-c", script]));
    for await (const _ of session.output) break;
    session.close();
    expect(await session.ended).toMatchObject({ type: "error", code: "CANCELLED" });
    await expect.poll(() => world.sessions.running, { timeout: 20_000 }).toBe(0);
    expect(world.sessions.signals).toEqual(["SIGTERM", "SIGKILL"]);
  });

  it("ends as its target says", async () => {
    await world.startAgent();
    const endPod = await world.pod("alice", "p");
    const session = world.open("alice", "p", exec(["sleep", "60"]));
    await session.started;
    endPod({ type: "error", code: "OOM_KILLED", message: "memory" });
    expect(await session.ended).toEqual({ type: "error", code: "OOM_KILLED", message: "memory" });
    const later = world.open("bob", "p", exec(["true"]));
    expect(await later.ended).toMatchObject({ code: "GONE" });
  });

  it("tells why a program cannot be started", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const end = await world.open("alice", "p", exec(["/no/such/program"])).ended;
    expect(end).toMatchObject({ type: "error", code: "CANNOT_START" });
  });

  it("opens no socket before the first session, and keeps four afterwards", async () => {
    const agent = await world.startAgent();
    await world.pod("alice", "p");
    await agent.beat();
    expect(world.ground.live.relay!.socketsOf("em1")).toBe(0);
    await whole(world.open("alice", "p", exec(["true"])));
    await agent.beat();
    await expect.poll(() => world.ground.live.relay!.socketsOf("em1")).toBe(4);
  });
});

describe("POST /pods/{pod}/exec and /live", () => {
  it("run a command for its user, once", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const alice = await world.user("alice");
    const answer = await alice.fetch("/pods/p/exec", {
      method: "POST",
      body: JSON.stringify({ command: ["sh", "-c", "cat; echo $A >&2; exit 5"], env: { A: "b" } }),
    });
    const { url, expires_in } = (await answer.json()) as { url: string; expires_in: number };
    expect([answer.status, expires_in]).toEqual([201, 60]);
    expect(await refusal(url, { origin: "http://evil.example" })).toEqual({
      status: 403,
      error: "FOREIGN_ORIGIN",
    });
    expect(await refusal(url, { protocols: [] })).toEqual({ status: 400, error: "INVALID_PARAMETERS" });
    const client = await connectExec(url);
    client.stdin("in");
    client.tell({ type: "resize", rows: 1, columns: 2 });
    client.tell({ type: "eof" });
    expect(await client.closed).toBe(1000);
    expect([client.stdout().toString(), client.stderr().toString()]).toEqual(["in", "b\n"]);
    expect(client.control).toEqual([{ type: "started" }, { type: "exit", code: 5 }]);
    expect(await refusal(url)).toEqual({ status: 404, error: "TICKET_NOT_FOUND" });
    const list = (await (await alice.fetch("/sessions")).json()) as { data: object[] };
    expect(list.data).toMatchObject([{ pod: "p", end: { type: "exit" }, bytes_in: 2, bytes_out: 4 }]);
  });

  it("are for the ground's page that asked also at a relay of another host, and for no other page", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const alice = await world.user("alice");
    const own = new URL((await alice.fetch("/edges")).url).origin;
    // what a page of the ground does not ask for itself
    const elsewhere = own.replace("127.0.0.1", "localhost");
    const asked = async (origin: string) => {
      const body = JSON.stringify({ command: ["true"] });
      const answer = await alice.fetch("/pods/p/exec", { method: "POST", body, headers: { origin } });
      return ((await answer.json()) as { url: string }).url.replace("127.0.0.1", "localhost");
    };
    const foreign = { status: 403, error: "FOREIGN_ORIGIN" };
    const url = await asked(own);
    expect(await refusal(url, { origin: "http://evil.example" })).toEqual(foreign);
    expect(await refusal(url, { origin: own, protocols: [] })).toMatchObject({ error: "INVALID_PARAMETERS" });
    expect(await refusal(url, { origin: elsewhere, protocols: [] })).toMatchObject({
      error: "INVALID_PARAMETERS",
    });
    const evil = await asked("http://evil.example");
    expect(await refusal(evil, { origin: "http://evil.example" })).toEqual(foreign);
    expect(await refusal(evil, { origin: own })).toEqual(foreign);
  });

  it.each([
    ["a text frame", "x"],
    ["an unknown kind", Buffer.from([9, 1])],
    ["a control message that is none", Buffer.from([3, 0x7b])],
    ["an unknown control message", Buffer.from('\x03{"type":"go"}')],
  ])("close a socket with %s, and end what it runs", async (_, frame) => {
    await world.startAgent();
    await world.pod("alice", "p");
    const alice = await world.user("alice");
    const body = JSON.stringify({ command: ["sleep", "60"] });
    const answer = await alice.fetch("/pods/p/exec", { method: "POST", body });
    const client = await connectExec(((await answer.json()) as { url: string }).url);
    await expect.poll(() => client.control).toEqual([{ type: "started" }]);
    client.ws.send(frame);
    expect(await client.closed).toBe(1002);
    await expect.poll(() => world.sessions.running).toBe(0);
  });

  it("refuse what cannot be, in their order", async () => {
    const alice = await world.user("alice");
    const bob = await world.user("bob");
    const post = async (who: typeof alice, path: string, body: object = {}) => {
      const answer = await who.fetch(path, { method: "POST", body: JSON.stringify(body) });
      return [answer.status, ((await answer.json()) as { error: string }).error];
    };
    expect(await post(alice, "/pods/p/exec")).toEqual([404, "POD_NOT_FOUND"]);
    await world.pod("alice", "p");
    expect(await post(alice, "/pods/p/exec")).toEqual([503, "LIVE_UNAVAILABLE"]);
    await world.startAgent({ features: ["live"], execInPods: false });
    expect(await post(alice, "/pods/p/exec")).toEqual([503, "LIVE_UNAVAILABLE"]);
    const forbidden = world.open("alice", "p", exec(["true"]));
    expect(await forbidden.ended).toMatchObject({ code: "UNSUPPORTED" });
    await world.startAgent();
    expect(await post(bob, "/pods/p/exec")).toEqual([404, "POD_NOT_FOUND"]);
    expect(await post(bob, "/runners/0-x/exec")).toEqual([404, "RUNNER_NOT_FOUND"]);
    for (const body of [{ command: [] }, { command: [""] }, { env: { "a=b": "c" } }, { rows: 0 }, { x: 1 }]) {
      expect(await post(alice, "/pods/p/exec", body)).toEqual([400, "INVALID_PARAMETERS"]);
    }
    const state = { terminated: { exitCode: 0, reason: "Completed", startedAt: null, finishedAt: null } };
    const run = { user: "alice", pod: "q", run: "01JD6Z0V3E8T4Q5R6S7T8V9W0Y", image: "i", node: "n", state };
    await world.ground.runs.record("em1", [run as never]);
    expect(await post(alice, "/pods/q/exec")).toEqual([409, "POD_NOT_RUNNING"]);
    const waiting = { ...run, state: { waiting: { reason: "Unschedulable" } }, pod: "w" };
    await world.ground.runs.record("em1", [waiting as never]);
    expect(await post(alice, "/pods/w/exec")).toEqual([409, "POD_NOT_RUNNING"]);
    const unnamed = await fetch(`${world.url}/sessions`);
    expect(unnamed.status).toBe(401);
    expect(((await (await bob.fetch("/sessions")).json()) as { data: object[] }).data).toEqual([]);
  });

  it("wait for a pod that has just begun", async () => {
    await world.startAgent();
    const alice = await world.user("alice");
    const run = { user: "alice", pod: "n", run: "01JD6Z0V3E8T4Q5R6S7T8V9W0Z", image: "i", node: "n" };
    const state = { waiting: { reason: "ContainerCreating" } };
    await world.ground.runs.record("em1", [{ ...run, state } as never]);
    const find = vi.spyOn(world.ground.runs, "find");
    const answer = alice.fetch("/pods/n/exec", { method: "POST", body: "{}" });
    // it was seen as it was
    await expect.poll(() => find.mock.results.length).toBeGreaterThan(1);
    await world.ground.runs.record("em1", [
      { ...run, state: { running: { startedAt: new Date().toISOString() } } } as never,
    ]);
    expect((await answer).status).toBe(201);
  });

  it("let no ticket in that an earlier user of the name has made", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const answer = await (await world.user("alice")).fetch("/pods/p/exec", { method: "POST", body: "{}" });
    const { url } = (await answer.json()) as { url: string };
    const { accounts } = world.ground;
    await accounts.removeUser("alice");
    const then = Date.now();
    // a millisecond may hold both
    await expect.poll(() => Date.now()).toBeGreaterThan(then);
    await accounts.addUser("alice", "long enough", { edges: ["em1"] });
    expect(await refusal(url)).toEqual({ status: 404, error: "TICKET_NOT_FOUND" });
  });

  it("are refused where a user has 64 sessions open, before and at the connect", async () => {
    await world.startAgent();
    const alice = await world.user("alice");
    await world.pod("alice", "p");
    const post = () => alice.fetch("/pods/p/exec", { method: "POST", body: "{}" });
    const { url } = (await (await post()).json()) as { url: string };
    world.sessions.before = () => new Promise(() => {});
    const open = Array.from({ length: 64 }, () => world.open("alice", "p", exec(["true"])));
    const answer = await post();
    expect([answer.status, await answer.json()]).toMatchObject([429, { error: "TOO_MANY_SESSIONS" }]);
    expect(await refusal(url)).toEqual({ status: 429, error: "TOO_MANY_SESSIONS" });
    world.sessions.before = undefined;
    for (const session of open) session.close();
    const client = await connectExec(url);
    client.tell({ type: "eof" });
    expect(await client.closed).toBe(1000);
  });

  it("keep the runner in which they are from counting as forgotten", async () => {
    const { pools } = world.ground;
    await world.startAgent({ features: [...Object.values(LIVE_FEATURES), RUNNERS_FEATURE] });
    const alice = await world.user("alice");
    const owner = { user: "alice", edge: "em1" };
    const spec = { image: "i", prewarmingPoolSize: 1, cpuLimit: 0, memoryLimit: 0 };
    await pools.put(owner, { id: 0, ...spec, networkAccess: false, exposedPorts: null });
    const [environment] = (await pools.wanted("em1")).environments;
    const id = `0-${crypto.randomUUID()}`;
    const { generation } = environment!;
    await pools.exchange("em1", {
      digest: runnerDigest([{ id, state: "idle" }]),
      changed: [{ id, user: "alice", generation, state: "idle" }],
    });
    expect(await pools.handOut(owner, 0, { inactivityMs: 60_000 })).toMatchObject({ runner: { id } });
    const touched = vi.spyOn(pools, "touched");
    const answer = await alice.fetch(`/runners/${id}/exec`, { method: "POST", body: "{}" });
    expect(answer.status).toBe(201);
    expect(touched.mock.calls).toEqual([["alice", id]]);
  });

  it("end a session whose client goes", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const alice = await world.user("alice");
    const body = JSON.stringify({ command: ["sleep", "60"] });
    const answer = await alice.fetch("/pods/p/exec", { method: "POST", body });
    const client = await connectExec(((await answer.json()) as { url: string }).url);
    await expect.poll(() => world.sessions.running).toBe(1);
    client.ws.terminate();
    await expect.poll(() => world.sessions.running).toBe(0);
  });

  it("tell sessions that the ground stops", async () => {
    await world.startAgent();
    await world.pod("alice", "p");
    const alice = await world.user("alice");
    const body = JSON.stringify({ command: ["sleep", "60"] });
    const answer = await alice.fetch("/pods/p/exec", { method: "POST", body });
    const client = await connectExec(((await answer.json()) as { url: string }).url);
    await expect.poll(() => client.control).toEqual([{ type: "started" }]);
    const closing = world.ground.live.close();
    expect(await client.closed).toBe(1000);
    expect(client.control.at(-1)).toMatchObject({ type: "error", code: "UNREACHABLE" });
    await closing;
    await expect.poll(() => world.sessions.running).toBe(0);
  });
});

describe("GET /agent/live", () => {
  it("takes agents of the present epoch alone", async () => {
    const { WebSocket } = await import("ws");
    const agent = await world.startAgent();
    const url = `${world.url.replace("http", "ws")}/agent/live`;
    const status = async (headers: Record<string, string>) => {
      const ws = new WebSocket(url, { headers });
      ws.on("error", () => {});
      const [, answer] = await once(ws, "unexpected-response");
      ws.terminate();
      return answer.statusCode;
    };
    const authorization = `Bearer ${world.token}`;
    const { epoch } = agent.session;
    expect(await status({})).toBe(401);
    expect(await status({ authorization: "Bearer pga_x" })).toBe(401);
    expect(await status({ authorization })).toBe(409);
    expect(await status({ authorization, "perigee-epoch": String(epoch - 1) })).toBe(409);
    expect(await status({ authorization, "perigee-epoch": String(epoch + 1) })).toBe(409);
    const ws = new WebSocket(url, { headers: { authorization, "perigee-epoch": String(epoch) } });
    await once(ws, "open");
    // what an agent without a session says is none of the protocol
    ws.send(Buffer.from('\x03{"type":"ready"}'));
    const [code] = await once(ws, "close");
    expect(code).toBe(1002);
  });

  it("answers another upgrade as if there were none", async () => {
    const { request } = await import("node:http");
    const { port } = new URL(world.url);
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABk" };
      request({ port, path: "/healthz", headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(answer).toBe(200);
  });
});

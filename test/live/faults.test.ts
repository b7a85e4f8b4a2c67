import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { exec, type LiveWorld, makeLiveWorld, whole } from "./support/live-world.ts";

let world: LiveWorld;
afterEach(() => world.close());

/** An agent's socket that the test plays. */
async function socketOf(world: LiveWorld, epoch: number) {
  const ws = new WebSocket(`${world.url.replace("http", "ws")}/agent/live`, {
    headers: { authorization: `Bearer ${world.token}`, "perigee-epoch": String(epoch) },
  });
  ws.on("error", () => {});
  const control: { type: string }[] = [];
  ws.on("message", (data: Buffer) => {
    if (data[0] === 3) control.push(JSON.parse(data.subarray(1).toString()));
  });
  await once(ws, "open");
  return {
    ws,
    types: () => control.map(({ type }) => type),
    tell: (message: object) => ws.send(Buffer.from(`\x03${JSON.stringify(message)}`)),
    silent: () => ws.pause(),
  };
}

describe("at most once", () => {
  beforeEach(async () => {
    world = await makeLiveWorld();
  });

  /** An agent that only opens a session with the ground: its sockets are the test's. */
  async function epochOfSilentAgent() {
    const agent = await world.startAgent();
    await agent.live.close();
    await world.pod("alice", "p");
    return agent.session.epoch;
  }

  it("a socket that never answers costs its time to ready, and no execution", async () => {
    const epoch = await epochOfSilentAgent();
    const zombie = await socketOf(world, epoch);
    zombie.silent();
    const session = world.open("alice", "p", exec(["true"]));
    const next = await socketOf(world, epoch);
    await expect.poll(() => next.types(), { timeout: 30_000 }).toEqual(["open"]);
    next.tell({ type: "ready" });
    await expect.poll(() => next.types()).toEqual(["open", "go"]);
    next.tell({ type: "started" });
    next.tell({ type: "end", end: { type: "exit", code: 4 } });
    expect(await whole(session)).toMatchObject({ end: { type: "exit", code: 4 } });
    zombie.ws.resume();
    if (zombie.ws.readyState !== zombie.ws.CLOSED) await once(zombie.ws, "close");
    expect(zombie.types()).not.toContain("go");
  });

  it.each(["open", "ready", "go", "started"])("a socket that dies after %s", async (step) => {
    const epoch = await epochOfSilentAgent();
    const first = await socketOf(world, epoch);
    const session = world.open("alice", "p", exec(["true"]));
    await expect.poll(() => first.types()).toEqual(["open"]);
    const second = await socketOf(world, epoch);
    if (step !== "open") {
      first.tell({ type: "ready" });
      await expect.poll(() => first.types()).toEqual(["open", "go"]);
      if (step === "started") first.tell({ type: "started" });
      if (step === "started") await session.started;
    }
    first.ws.terminate();
    if (step === "open") {
      await expect.poll(() => second.types()).toEqual(["open"]);
      session.close();
    } else {
      // it may have begun: it is never offered again
      expect(await session.ended).toMatchObject({ type: "error", code: "UNREACHABLE" });
      expect(second.types()).toEqual([]);
    }
    second.ws.terminate();
  });

  it("says nothing after an end, and takes nothing", async () => {
    const epoch = await epochOfSilentAgent();
    const agent = await socketOf(world, epoch);
    const session = world.open("alice", "p", exec(["true"]));
    await expect.poll(() => agent.types()).toEqual(["open"]);
    agent.tell({ type: "ready" });
    agent.tell({ type: "started" });
    agent.ws.send(Buffer.from("\x01before"));
    agent.tell({ type: "end", end: { type: "timeout" } });
    agent.ws.send(Buffer.from("\x01after"));
    agent.tell({ type: "end", end: { type: "exit", code: 0 } });
    expect(await whole(session)).toEqual({ stdout: "before", stderr: "", end: { type: "timeout" } });
    expect(await session.ended).toEqual({ type: "timeout" });
  });

  it.each([
    ["started before ready", { type: "started" }],
    ["an unknown word", { type: "go" }],
    ["an end that is none", { type: "end", end: { type: "exit", code: 256 } }],
  ])("%s ends the session and its socket", async (_, message) => {
    const epoch = await epochOfSilentAgent();
    const agent = await socketOf(world, epoch);
    const session = world.open("alice", "p", exec(["true"]));
    await expect.poll(() => agent.types()).toEqual(["open"]);
    agent.tell(message);
    expect(await session.ended).toMatchObject({ type: "error", code: "PROTOCOL" });
    const [code] = agent.ws.readyState === agent.ws.CLOSED ? [1002] : await once(agent.ws, "close");
    expect(code).toBe(1002);
  });

  it("a newer agent ends the sessions of the one before", async () => {
    const epoch = await epochOfSilentAgent();
    const old = await socketOf(world, epoch);
    const session = world.open("alice", "p", exec(["true"]));
    await expect.poll(() => old.types()).toEqual(["open"]);
    old.tell({ type: "ready" });
    old.tell({ type: "started" });
    await session.started;
    await world.startAgent();
    expect(await whole(world.open("alice", "p", exec(["echo", "new"])))).toMatchObject({ stdout: "new\n" });
    expect(await session.ended).toMatchObject({ code: "UNREACHABLE" });
  });

  it("counts sessions of a user, of an edge and of a runner", async () => {
    const epoch = await epochOfSilentAgent();
    void epoch;
    const target = { runner: "1-x" };
    const relay = world.ground.live.relay!;
    const open = (user: string) => relay.open({ user, edge: "em1", target, request: exec(["true"]) });
    const sessions = Array.from({ length: 16 }, () => open("alice"));
    expect(await open("alice").ended).toMatchObject({ code: "TOO_MANY" });
    for (const session of sessions) session.close();
    const again = open("alice");
    again.close();
    expect(await again.ended).toMatchObject({ code: "CANCELLED" });
    const ofUser = Array.from({ length: 64 }, () => world.open("bob", "p", exec(["true"])));
    expect(await world.open("bob", "p", exec(["true"])).ended).toMatchObject({ code: "TOO_MANY" });
    const others = Array.from({ length: 64 }, () => world.open("carol", "p", exec(["true"])));
    expect(await world.open("dave", "p", exec(["true"])).ended).toMatchObject({ code: "TOO_MANY" });
    for (const session of [...ofUser, ...others]) session.close();
  });
});

describe("without contact", () => {
  it("known lost contact is told at once, an unknown loss in time", async () => {
    world = await makeLiveWorld({ live: { tuning: { relay: { takenMs: 300 } } } });
    const never = world.open("alice", "p", exec(["true"]));
    expect(await whole(never)).toMatchObject({
      end: { code: "UNREACHABLE", message: expect.stringContaining("not in contact") },
    });
    const agent = await world.startAgent();
    await agent.live.close();
    const late = world.open("alice", "p", exec(["true"]));
    expect(await late.ended).toMatchObject({
      code: "UNREACHABLE",
      message: expect.stringContaining("in time"),
    });
    expect(await whole(late)).toMatchObject({ stdout: "" });
  });

  it.each(["cut", "silence"])("a link that breaks (%s) ends the session on both sides", async (how) => {
    const times = { pingMs: 50, deadMs: 1_500 };
    world = await makeLiveWorld({ live: { tuning: { times } }, agent: { times } });
    await world.startAgent();
    await world.pod("alice", "p");
    const session = world.open("alice", "p", exec(["sleep", "600"]));
    await session.started;
    if (how === "cut") world.link.cut();
    else world.link.silent = true;
    expect(await session.ended).toMatchObject({ type: "error", code: "UNREACHABLE" });
    await expect.poll(() => world.sessions.running, { timeout: 20_000 }).toBe(0);
    world.link.silent = false;
    world.link.cut();
    const again = world.open("alice", "p", exec(["echo", "again"]));
    expect(await whole(again)).toMatchObject({ stdout: "again\n" });
  });

  it("works over a link with a round trip of 2 s", { timeout: 120_000 }, async () => {
    world = await makeLiveWorld();
    world.link.delayMs = 1_000;
    await world.startAgent();
    await world.pod("alice", "p");
    for (let n = 0; n < 3; n++) {
      expect(await whole(world.open("alice", "p", exec(["echo", "far"])))).toMatchObject({ stdout: "far\n" });
    }
    expect(world.sessions.started).toHaveLength(3);
  });

  it("an agent that stops ends what it runs", async () => {
    world = await makeLiveWorld();
    const agent = await world.startAgent();
    await world.pod("alice", "p");
    const session = world.open("alice", "p", exec(["sleep", "600"]));
    await session.started;
    await agent.stop();
    expect(world.sessions.running).toBe(0);
    expect(await session.ended).toMatchObject({ type: "error", code: "UNREACHABLE" });
  });
});

describe("old and new", () => {
  it("an agent without live sessions goes on without them", async () => {
    world = await makeLiveWorld();
    const agent = await world.startAgent({ features: [] });
    await world.pod("alice", "p");
    const end = await world.open("alice", "p", exec(["true"])).ended;
    expect(end).toMatchObject({ code: "UNSUPPORTED" });
    await agent.beat();
    expect(world.ground.live.relay!.socketsOf("em1")).toBe(0);
  });

  it("a ground that wishes for nothing gets no sockets, and those that wait go", async () => {
    world = await makeLiveWorld();
    const agent = await world.startAgent();
    await world.pod("alice", "p");
    await whole(world.open("alice", "p", exec(["true"])));
    agent.live.wished({ sockets: 4 });
    await expect.poll(() => world.ground.live.relay!.socketsOf("em1")).toBe(4);
    agent.live.wished(undefined);
    await expect.poll(() => world.ground.live.relay!.socketsOf("em1")).toBe(0);
  });
});

describe("back-pressure", () => {
  it("holds a program back while its user does not read, and loses nothing", async () => {
    world = await makeLiveWorld();
    await world.startAgent();
    await world.pod("alice", "p");
    const size = 24 * 1024 * 1024;
    const session = world.open("alice", "p", exec(["head", "-c", `${size}`, "/dev/zero"]));
    let read = 0;
    let ahead = 0;
    for await (const { data } of session.output) {
      read += data.length;
      if (read % (6 * 1024 * 1024) >= data.length) continue;
      // it writes as far as it can, and not further
      let before = -1;
      for (let now = world.sessions.written(); now !== before; now = world.sessions.written()) {
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      ahead = Math.max(ahead, before - read);
    }
    expect([await session.ended, read]).toEqual([{ type: "exit", code: 0 }, size]);
    // what is under way, and what pipes and streams hold
    expect(ahead).toBeGreaterThan(0);
    expect(ahead).toBeLessThan(1024 * 1024);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SessionFailure } from "#agent/sessions/pod-sessions.ts";
import type { Execution, PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { makePoseidonWorld, type PoseidonWorld, WITH_RUNNERS } from "./support/poseidon-world.ts";

const LIST = "/execution-environments";
const GONE = { message: "no runner found with this id" };
const FAILED = { type: "error", data: "Error executing the request" };
const UNREACHABLE = { message: expect.any(String), errorCode: "NOMAD_UNREACHABLE" };
const INTERNAL = { message: expect.any(String), errorCode: "NOMAD_INTERNAL_SERVER_ERROR" };
/** Longer than any test: what is not answered at once is not answered. */
const NEVER = 2 ** 31 - 1;

let world: PoseidonWorld;
let me: PoseidonClient;
/** the ground's clock stands still but for this (ms) */
let ahead: number;
let began: number;
beforeEach(() => {
  ahead = 0;
});
afterEach(() => world.close());

async function start(of: Parameters<typeof makePoseidonWorld>[0] = {}) {
  began = Date.now();
  world = await makePoseidonWorld({ now: () => began + ahead, ...of });
  me = await world.client("ada");
  return world.startAgent({ features: WITH_RUNNERS });
}

const fileRoutes = (path: string) =>
  [
    ["list", () => me.get(`${path}/files`)],
    ["patch", () => me.patch(path, { a: "b" })],
    ["raw", () => me.get(`${path}/files/raw?path=package.json`)],
  ] as const;

async function begun(path: string, command: string): Promise<Execution> {
  const execution = me.connect(await me.execute(path, { command: `echo up; ${command}` }));
  await execution.until(() => execution.text("stdout") !== "");
  return execution;
}

/** The refusal of a connect. */
async function refused(url: string) {
  const execution = me.connect(url);
  await execution.closed;
  const { status, text } = execution.refusal ?? {};
  return [status, text && JSON.parse(text)];
}

describe("routes that the ledger alone answers", () => {
  test("go on: what is read is the last report, what is put takes effect, nothing is handed out", async () => {
    await start();
    const of = { image: "i", prewarmingPoolSize: 2, memoryLimit: 64 };
    for (const id of [1, 2]) await me.body("PUT", `${LIST}/${id}`, of);
    await world.fill("ada", 1, 2);
    // of a heartbeat that is just recent enough
    ahead = 90_000;
    const { json } = await me.body("POST", "/runners", { executionEnvironmentId: 1 });
    const path = `/runners/${json.runnerId}`;
    world.unplug();
    ahead = 90_001;
    const handOut = () => me.body("POST", "/runners", { executionEnvironmentId: 1 });
    expect(await handOut()).toMatchObject({ status: 500, json: UNREACHABLE });
    expect(await me.send("POST", "/runners", { body: "{}", headers: { prefer: "wait=60" } })).toMatchObject({
      status: 404,
    });
    expect((await me.get("/health")).status).toBe(204);
    expect((await me.get("/statistics/execution-environments")).json).toEqual({
      1: { id: 1, prewarmingPoolSize: 2, idleRunners: 1, usedRunners: 1 },
      2: { id: 2, prewarmingPoolSize: 2, idleRunners: 0, usedRunners: 0 },
    });
    const ids = async (query = "") =>
      (await me.get(LIST + query)).json.executionEnvironments.map((one: { id: number }) => one.id);
    expect([await ids(), await ids("?fetch=true")]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect((await me.get(`${LIST}/1?fetch=true`)).json).toMatchObject({ id: 1, ...of });
    expect((await me.body("POST", `${path}/execute`, { command: "true" })).status).toBe(200);
    expect((await me.body("PUT", `${LIST}/3`, of)).status).toBe(201);
    expect((await me.delete(`${LIST}/2`)).status).toBe(204);
    expect((await me.delete(path)).status).toBe(204);
    expect((await me.body("POST", `${path}/execute`, "{}")).json).toEqual(GONE);
    expect((await me.body("PUT", `${LIST}/1`, of)).status).toBe(204);
    expect((await me.get("/statistics/execution-environments")).json).toEqual({
      1: { id: 1, prewarmingPoolSize: 2, idleRunners: 0, usedRunners: 0 },
      3: { id: 3, prewarmingPoolSize: 2, idleRunners: 0, usedRunners: 0 },
    });
    // what the edge reads once it is back
    expect((await world.ground.pools.wanted("em1")).environments.map(({ id }) => id)).toEqual([1, 3]);
  });

  test("a runner whose inactivity must be over is gone without the edge's word, a minute later", async () => {
    await start();
    const path = await world.handedOut(me, "ada", { inactivityTimeout: 10 } as object);
    world.unplug();
    const status = async () => (await me.body("POST", `${path}/execute`, { command: "true" })).status;
    ahead = 65_000;
    expect(await status()).toBe(200);
    ahead = 70_001;
    expect(await status()).toBe(410);
  });
});

describe("live routes", () => {
  test("are refused at once where contact is known to be lost", async () => {
    await start({ live: { tuning: { relay: { takenMs: NEVER } } } });
    const path = await world.handedOut(me, "ada");
    const url = await me.execute(path, { command: "true" });
    world.unplug();
    ahead = 90_001;
    for (const [, ask] of fileRoutes(path)) {
      expect(await ask()).toMatchObject({ status: 500, json: UNREACHABLE });
    }
    expect(await refused(url)).toEqual([500, UNREACHABLE]);
    expect(world.sessions.started).toEqual([]);
  });

  test("are refused in time where nobody knows yet; a connect begins and ends with an error", async () => {
    await start({ live: { tuning: { relay: { takenMs: 300 } } } });
    const path = await world.handedOut(me, "ada");
    const url = await me.execute(path, { command: "true" });
    world.unplug();
    for (const [, ask] of fileRoutes(path)) {
      expect(await ask()).toMatchObject({ status: 500, json: UNREACHABLE });
    }
    const execution = me.connect(url);
    expect(await execution.closed).toEqual({ code: 1000, reason: "" });
    expect(execution.messages).toEqual([{ type: "start" }, FAILED]);
    expect(world.sessions.started).toEqual([]);
  });

  test.each(["cut", "silent"])(
    "what is in its middle ends when the link is %s, on both sides",
    async (how) => {
      const times = { pingMs: 50, deadMs: 1_500 };
      await start({ live: { tuning: { times } }, agent: { times } });
      const path = await world.handedOut(me, "ada");
      const execution = await begun(path, "exec sleep 600");
      // of which nothing more than the credit has come when the link breaks
      world.sessions.file = "/dev/zero";
      const read = world.sessions.read.bind(world.sessions);
      world.sessions.read = async (...of) => ({ ...(await read(...of)), size: 2 ** 40 });
      const raw = await fetch(`${me.url}${path}/files/raw?path=x`, {
        headers: { "Poseidon-Token": me.token! },
      });
      const listing = Promise.withResolvers<void>();
      world.sessions.list = async function* (_run, _what, { signal }) {
        listing.resolve();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        yield* [];
      };
      const listed = me.get(`${path}/files`);
      await listing.promise;
      const changing = Promise.withResolvers<void>();
      world.sessions.change = async (_run, _what, { signal }) => {
        changing.resolve();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      };
      const patched = me.patch(path, { a: "b" });
      await changing.promise;
      if (how === "cut") world.unplug();
      else world.link.silent = true;
      expect(await execution.closed).toEqual({ code: 1000, reason: "" });
      expect(execution.end).toEqual(FAILED);
      await expect(raw.arrayBuffer()).rejects.toThrow();
      expect(await patched).toMatchObject({ status: 500, json: UNREACHABLE });
      // a list changes nothing: it is offered again until the edge is given up
      if (how === "cut") world.plug();
      world.link.silent = false;
      world.sessions.list = async function* () {
        yield* [];
      };
      expect((await listed).status).toBeOneOf([200, 500]);
      await expect.poll(() => world.sessions.running, { timeout: 20_000 }).toBe(0);
      world.link.cut();
      expect((await me.run(path, "echo again")).text("stdout")).toBe("again\n");
      expect(world.sessions.started).toHaveLength(2);
    },
  );

  test("an engine or API server that does not answer is the edge's fault, and told as that", async () => {
    await start();
    const path = await world.handedOut(me, "ada");
    const away = () => {
      throw new SessionFailure("ENGINE", "connect ECONNREFUSED 10.0.0.1:6443");
    };
    world.sessions.before = async () => away();
    world.sessions.read = async () => away();
    world.sessions.change = async () => away();
    // biome-ignore lint/correctness/useYield: it fails before its first entry
    world.sessions.list = async function* () {
      away();
    };
    for (const [, ask] of fileRoutes(path)) {
      const { status, json, text } = await ask();
      expect([status, json]).toEqual([500, INTERNAL]);
      expect(text).not.toContain("10.0.0.1");
    }
    expect((await me.run(path, "true")).messages).toEqual([{ type: "start" }, FAILED]);
    world.sessions.before = undefined;
    expect((await me.run(path, "true")).end).toEqual({ type: "exit", data: 0 });
  });
});

test("a user's own runners are listed and counted without contact, with why they ended", async () => {
  await start();
  const eve = await world.user("eve");
  const client = await world.client("eve");
  const [kept, deleted] = [
    await world.handedOut(client, "eve"),
    await world.handedOut(client, "eve", { id: 1 }),
  ];
  await world.handedOut(me, "ada");
  world.unplug();
  ahead = 90_001;
  await client.delete(deleted);
  const of = (path: string, environment: number, since: number, rest: object) => {
    const id = path.split("/").at(-1);
    return { id, edge: "em1", environment, since: new Date(since).toISOString(), ports: [], ...rest };
  };
  expect(((await (await eve.fetch("/runners")).json()) as { data: object[] }).data).toEqual([
    of(kept, 0, began, { state: "used", end: null }),
    of(deleted, 1, began + ahead, { state: "gone", end: "deleted" }),
  ]);
  const { data } = (await (await eve.fetch("/edge")).json()) as { data: { runners: object[] } };
  expect(data.runners).toEqual([
    { environment: 0, wanted: 1, idle: 0, used: 1, reason: null },
    { environment: 1, wanted: 1, idle: 0, used: 0, reason: null },
  ]);
});

test("another process of the ground: environments, hand-outs and unused ids stay, what was open ends", async () => {
  await start();
  const path = await world.handedOut(me, "ada");
  const url = await me.execute(path, { command: "echo from before" });
  const execution = await begun(path, "exec sleep 600");
  await world.restartGround();
  await execution.closed;
  expect(execution.end).toEqual(FAILED);
  await expect.poll(() => world.sessions.running, { timeout: 20_000 }).toBe(0);
  me = await world.client("ada");
  expect((await me.get(`${LIST}/0`)).json).toMatchObject({ id: 0, image: "i" });
  const { port } = new URL(me.url);
  const before = me.connect(url.replace(/:\d+\//, `:${port}/`));
  await before.closed;
  expect(before.text("stdout")).toBe("from before\n");
  expect((await me.delete(path)).status).toBe(204);
});

test("an agent that is older than runners: what needs it is refused, and no id is used up", async () => {
  await start();
  const path = await world.handedOut(me, "ada");
  const url = await me.execute(path, { command: "echo later" });
  for (const features of [[], WITH_RUNNERS.filter((one) => one !== "runners")]) {
    await world.startAgent({ features });
    expect(await me.body("POST", "/runners", "{}")).toMatchObject({ status: 500, json: INTERNAL });
    for (const [, ask] of fileRoutes(path))
      expect(await ask()).toMatchObject({ status: 500, json: INTERNAL });
    expect(await refused(url)).toEqual([500, INTERNAL]);
    expect((await me.body("PUT", `${LIST}/7`, "{}")).status).toBeOneOf([201, 204]);
    expect((await me.get("/statistics/execution-environments")).json[0]).toMatchObject({ usedRunners: 1 });
    expect((await me.body("POST", `${path}/execute`, { command: "true" })).status).toBe(200);
  }
  await world.startAgent({ features: WITH_RUNNERS });
  const later = me.connect(url);
  await later.closed;
  expect(later.text("stdout")).toBe("later\n");
});

test("a user has 64 sessions open and an edge 128, and no more", async () => {
  await start();
  const others = await Promise.all(["bob", "carol"].map((user) => world.client(user)));
  const open: Execution[] = [];
  const paths = new Map<PoseidonClient, string[]>();
  for (const [client, user] of [
    [me, "ada"],
    [others[0]!, "bob"],
    [others[1]!, "carol"],
  ] as const) {
    const own: string[] = [];
    for (let id = 0; id < (user === "carol" ? 1 : 5); id++)
      own.push(await world.handedOut(client, user, { id }));
    paths.set(client, own);
  }
  const connect = async (client: PoseidonClient, path: string) =>
    client.connect(await client.execute(path, { command: "true" }));
  // waits for the edge, and so stays
  world.sessions.before = () => new Promise(() => {});
  for (const client of [me, others[0]!]) {
    for (let n = 0; n < 64; n++) open.push(await connect(client, paths.get(client)![n % 4]!));
  }
  await Promise.all(open.map((one) => one.until(({ messages }) => messages.length > 0)));
  for (const client of [me, others[1]!]) {
    const over = await connect(client, paths.get(client)!.at(-1)!);
    await over.closed;
    expect([over.refusal?.status, over.refusal?.text]).toEqual([
      500,
      expect.stringContaining('"errorCode":"NOMAD_OVERLOAD"'),
    ]);
    const listed = await client.get(`${paths.get(client)!.at(-1)!}/files`);
    expect([listed.status, listed.json.errorCode]).toEqual([500, "NOMAD_OVERLOAD"]);
  }
  for (const one of open) one.socket.terminate();
  await Promise.all(open.map(({ closed }) => closed));
});

import { EventEmitter, once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { poseidon } from "#lambdas/dialects/poseidon/dialect.ts";
import { fileSession } from "#lambdas/dialects/poseidon/file-session.ts";
import { errors } from "#lambdas/dialects/poseidon/refusals.ts";
import { cutIdleBody } from "#lambdas/http/cut-idle-body.ts";
import { ERRORS, type ErrorCode } from "#protocol/errors.ts";
import { clientOf, startPoseidonGround } from "./support/poseidon-ground.ts";
import { ScriptedLive } from "./support/scripted-live.ts";

const LIST = "/execution-environments";
const OK = { type: "exit", code: 0 } as const;
const OVERLOAD = { message: expect.any(String), errorCode: "NOMAD_OVERLOAD" };

afterEach(() => {
  vi.useRealTimers();
});

async function started() {
  const ground = await startPoseidonGround();
  await ground.beat();
  const me = await ground.client();
  return { ground, me, path: await me.runner() };
}

/** The answer to a connect that is refused. */
async function refused(url: string, token: string | undefined, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, { headers: { ...(token && { "Poseidon-Token": token }), ...headers } });
  socket.on("error", () => {});
  const [, answer] = await once(socket, "unexpected-response");
  let text = "";
  for await (const chunk of answer) text += chunk;
  socket.terminate();
  return [answer.statusCode, text && (JSON.parse(text).errorCode ?? JSON.parse(text).message)];
}

test("a user has 500 requests open and no more, whatever bounds others have; another's do not count", async () => {
  const { ground, me, path } = await started();
  const bob = await ground.client("bob");
  const open = Array.from({ length: 500 }, () => me.get(`${path}/files`));
  const sessions = [];
  for (let n = 0; n < 500; n++) sessions.push(await ground.live.next());
  for (const answer of [await me.get(LIST), await me.post("/runners", "{}")]) {
    expect([answer.status, answer.json]).toEqual([500, OVERLOAD]);
  }
  expect((await bob.get(LIST)).status).toBe(200);
  for (const session of sessions) session.finish(OK);
  expect((await Promise.all(open)).every(({ status }) => status === 200)).toBe(true);
  expect((await me.get(LIST)).status).toBe(200);
});

test("a file operation lasts 60 min: nothing sent is 500, what is being sent is cut", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const live = new ScriptedLive();
  const core = { runners: { touched: async () => {} }, live: { sessions: live } };
  const runner = { user: "ada", edge: "em1", id: "0-x" };
  const request = { kind: "write" as const, write: { remove: [] } };
  await fileSession({} as never, core as never, runner as never, request);
  const session = await live.next();
  vi.advanceTimersByTime(60 * 60_000 - 1);
  expect(session.closed).toBe(false);
  vi.advanceTimersByTime(1);
  expect(session.closed).toBe(true);
  vi.useRealTimers();
  const { ground, me, path } = await started();
  const list = me.get(`${path}/files`);
  (await ground.live.next()).close();
  expect(await list).toMatchObject({ status: 500, json: { errorCode: "UNKNOWN" } });
  const raw = me.get(`${path}/files/raw?path=x`);
  const reading = await ground.live.next();
  reading.begin({ size: 10 });
  reading.say("stdout", "01234");
  reading.close();
  await expect(raw).rejects.toThrow();
});

test("an execution's id is good for an hour, and 100 of a runner are", async () => {
  const { ground, me, path } = await started();
  await me.post(`${path}/execute`, { command: "true" });
  expect(ground.tickets.options).toEqual([{ ttlMs: 3600_000, most: 100, form: "uuid" }]);
});

test("what a connect is refused for is told in the page's order", async () => {
  const { ground, me, path } = await started();
  const { json } = await me.post(`${path}/execute`, { command: "true" });
  const url = (json as { websocketUrl: string }).websocketUrl;
  const evil = { Origin: "http://evil.example", "Sec-WebSocket-Version": "12" };
  // all is wrong at once, and put right from the first fault on
  ground.live.room = false;
  ground.live.isHere = false;
  const nobody = url.replace(path, "/runners/none").replace(/=.*/, "=x");
  expect(await refused(nobody, undefined, evil)).toEqual([401, ""]);
  expect(await refused(nobody, me.token, evil)).toEqual([410, "no runner found with this id"]);
  expect(await refused(url.replace(/=.*/, "=x"), me.token, evil)).toEqual([404, "execution id unknown"]);
  expect(await refused(url, me.token, { ...evil, "Sec-WebSocket-Protocol": "a,,b" })).toEqual([
    400,
    "websocket upgrade required",
  ]);
  expect((await refused(url, me.token, { Origin: evil.Origin }))[0]).toBe(403);
  expect(await refused(url, me.token)).toEqual([500, "NOMAD_OVERLOAD"]);
  ground.live.room = true;
  expect(await refused(url, me.token)).toEqual([500, "NOMAD_UNREACHABLE"]);
  ground.live.isHere = true;
  const socket = new WebSocket(url, { headers: { "Poseidon-Token": me.token! } });
  (await ground.live.next()).finish(OK);
  expect((await once(socket, "close"))[0]).toBe(1000);
});

test("what is just within a bound is taken as it is", async () => {
  const { ground, me, path } = await started();
  const most = {
    image: "i".repeat(255),
    prewarmingPoolSize: 2 ** 31 - 1,
    cpuLimit: 1e9,
    memoryLimit: 2 ** 31 - 1,
    networkAccess: true,
    exposedPorts: [1, 65_535, ...Array(14).fill(80)],
  };
  expect((await me.put(`${LIST}/1`, most)).status).toBe(201);
  expect((await me.get(`${LIST}/1`)).json).toEqual({ id: 1, ...most });
  const padding = " ".repeat(1024 * 1024 - 2);
  expect((await me.put(`${LIST}/2`, `{${padding}}`)).status).toBe(201);
  const environment = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k ${n}`, ""]));
  expect((await me.post(`${path}/execute`, { environment })).status).toBe(200);
  const patch = me.patch(`${path}/files`, { delete: Array(10_000).fill("a") });
  (await ground.live.next()).finish(OK);
  expect((await patch).status).toBe(204);
});

test("wrong tokens are not throttled, and lock nobody out", async () => {
  const { ground, me } = await started();
  const wrong = clientOf(ground.base, `pgp_${"A".repeat(43)}`);
  const answers = await Promise.all(Array.from({ length: 300 }, () => wrong.get(LIST)));
  expect(new Set(answers.map(({ status, text }) => `${status}${text}`))).toEqual(new Set(["401"]));
  expect((await me.get(LIST)).status).toBe(200);
});

test("a runner at another edge of its user is gone there", async () => {
  const { ground, me, path } = await started();
  await ground.ground.accounts.addEdge("em2");
  await ground.ground.accounts.grant("em2", "ada");
  const at = async (edge: string) => {
    const headers = { "Perigee-Edge": edge };
    return (await me.send("POST", `${path}/execute`, { body: "{}", headers })).status;
  };
  expect([await at("em1"), await at("em2"), await at("em1")]).toEqual([200, 410, 200]);
});

test("whatever fails has a status of the page, and words that tell nothing of the inside", async () => {
  const { ground, me } = await started();
  ground.pools.environments = async () => {
    throw new Error("SQLITE_IOERR at /var/lib/perigee/ledger.sqlite, of user bob");
  };
  const { status, json, headers } = await me.get(LIST);
  expect([status, json, headers.get("content-type")]).toEqual([
    500,
    { message: "the request could not be handled", errorCode: "UNKNOWN" },
    "application/json",
  ]);
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const answer = errors({ code, message: "m" } as never);
    expect([code, answer.status]).toEqual([code, expect.toBeOneOf([400, 401, 404, 405, 413, 500])]);
    if (answer.status !== 500) continue;
    const body = (await answer.json()) as { errorCode: string };
    expect(body).toEqual({
      message: expect.any(String),
      errorCode: expect.toBeOneOf([
        "NOMAD_UNREACHABLE",
        "NOMAD_OVERLOAD",
        "NOMAD_INTERNAL_SERVER_ERROR",
        "UNKNOWN",
      ]),
    });
  }
});

test("a body may stand still for 15 s and be slow for as long as it moves, and an answer may be long in coming", () => {
  expect(poseidon.bounds).toEqual({ openPerUser: 500, bodyIdleMs: 15_000 });
  const incoming = Object.assign(new EventEmitter(), {
    headers: { "content-length": "3" },
    readableEnded: false,
    destroyed: false,
    // as Node's: the time counts from the last byte on, whatever came before
    setTimeout: vi.fn(),
    destroy: vi.fn(),
  });
  cutIdleBody(incoming as unknown as IncomingMessage, 120_000);
  cutIdleBody(incoming as unknown as IncomingMessage, 15_000);
  expect(incoming.setTimeout.mock.lastCall).toEqual([15_000]);
  incoming.setTimeout.mock.calls.find(([, late]) => late)![1]();
  expect(incoming.destroy).toHaveBeenCalledOnce();
  incoming.emit("end");
  expect(incoming.setTimeout.mock.lastCall).toEqual([0]);
});

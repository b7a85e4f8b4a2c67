import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { type ServedGround, serveGround } from "#lambdas/serve-ground.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { type EarlierData, earlierData } from "./support/earlier-data.ts";

/** See data-0.3.0/README.md. */
const AGENT = "pga_5iCqn-b1HvFbNhGYkFD2ee5hdHkiPmHpn4RUAaor3xs";

type Json = { access: string; environments: unknown };

let earlier: EarlierData;
let ground: Awaited<ReturnType<typeof createEmbeddedGround>>;
let served: ServedGround;
let ann: string;
beforeAll(async () => {
  earlier = earlierData("0.3.0", "edge-at-work");
  ground = await createEmbeddedGround({ data: earlier.data, log: pino({ level: "silent" }) });
  served = await serveGround(ground, { host: "127.0.0.1", port: 0 });
  const { json } = await post("/auth/", { username: "ann", password: "correct horse" });
  ann = json.access;
});
afterAll(async () => {
  await served?.close(0);
  await ground?.close();
  earlier?.remove();
});

async function call(path: string, init: RequestInit, token?: string) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(served.url + path, { ...init, headers });
  return { status: answer.status, json: (await answer.json()) as Json };
}
const post = (path: string, body: object, token?: string) =>
  call(path, { method: "POST", body: JSON.stringify(body) }, token);
const get = (path: string, token: string) => call(path, {}, token);

test("a ledger of 0.3.0 has no pools and no live sessions: its agent goes on as it did, its users see none", async () => {
  const claim = await post("/agent/claim", { epoch: 1, room: { em: 1 }, have: [] }, AGENT);
  const [queued] = earlier.commands.ann!;
  expect(claim).toMatchObject({
    status: 200,
    json: { commands: [{ id: queued!.command_id }], complete: true },
  });
  expect(Object.keys(claim.json).filter((key) => ["pools", "live"].includes(key))).toEqual([]);
  for (const path of ["/runners", "/sessions"]) {
    expect([path, await get(path, ann)]).toMatchObject([path, { status: 200, json: { data: [] } }]);
  }
  expect(await get("/edge", ann)).toMatchObject({ status: 200 });
  expect(await post("/pods/p/exec", {}, ann)).toMatchObject({
    status: 503,
    json: { error: "LIVE_UNAVAILABLE" },
  });
});

test("environments can be put, and are served by the next agent that can", async () => {
  const { uid } = (await ground.accounts.getUser("ann"))!;
  const token = await operatorTokens(ground.store, "poseidon").add({
    name: "t",
    user: "ann",
    uid,
    createdAt: 0,
  });
  const client = new PoseidonClient(`${served.url}/api/v1`, token);
  expect((await client.get("/execution-environments")).json).toEqual({ executionEnvironments: [] });
  expect((await client.get("/statistics/execution-environments")).json).toEqual({});
  const spec = { image: "python", prewarmingPoolSize: 1 };
  expect((await client.body("PUT", "/execution-environments/0", spec)).status).toBe(201);
  expect(await client.body("POST", "/runners", "{}")).toMatchObject({
    status: 500,
    json: { errorCode: "NOMAD_INTERNAL_SERVER_ERROR" },
  });
  const old = await post("/agent/claim", { epoch: 1, room: { em: 1 }, have: [] }, AGENT);
  expect(old).toMatchObject({ status: 200, json: { pools: 1 } });

  const started = { journal: "journal-1", version: "9", operations: [], features: ["runners", "live"] };
  expect(await post("/agent/start", started, AGENT)).toMatchObject({ status: 200, json: { epoch: 2 } });
  const beat = { epoch: 2, nodes: [], usage: {}, free: 1e12 };
  expect(await post("/agent/heartbeat", beat, AGENT)).toMatchObject({ status: 200, json: { pools: 1 } });
  const wanted = await get("/agent/pool?epoch=2", AGENT);
  expect(wanted.json.environments).toMatchObject([{ user: "ann", id: 0, generation: 1 }]);
  expect(await get("/agent/pool?epoch=1", AGENT)).toMatchObject({ json: { error: "STALE_EPOCH" } });
  expect(await client.body("POST", "/runners", "{}")).toMatchObject({
    status: 500,
    json: { errorCode: "NOMAD_OVERLOAD" },
  });
});

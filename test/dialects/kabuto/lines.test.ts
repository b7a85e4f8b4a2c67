import { Writable } from "node:stream";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { keys, type PipelineRecord } from "#lambdas/dialects/kabuto/records.ts";
import { ROUTES } from "#lambdas/dialects/kabuto/routes.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

/** Lines of the two pages that are about settings, several edges, and moments that no client can choose. */
let ground: KabutoGround;
let agent: ScriptedAgent;
let me: KabutoClient;
const start = async (options: Parameters<typeof startKabutoGround>[0] = {}) => {
  ground = await startKabutoGround(options);
  agent = await ground.agent();
};
afterEach(() => ground.stop());

const core = () => ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;
const uidOf = async (name: string) => (await ground.ground.accounts.getUser(name))!.uid;

/** A user with an image, and a pipeline of so many jobs. */
async function prepared(count: number, fields: Record<string, string> = {}): Promise<void> {
  me = await ground.user();
  await me.image(agent);
  await me.post("/pipeline", { name: "p", ...fields });
  for (let i = 0; i < count; i++) await me.post("/pipeline/1/job", { image_id: "1" });
}

/** A submission of all jobs of pipeline 1 was decided by a ground that then died. */
async function decided(count: number): Promise<void> {
  const key = keys.object(await uidOf("user1"), "pipeline", 1);
  const { data, rev } = (await core().records.get<PipelineRecord>(key))!;
  const runs = Array.from({ length: count }, (_, i) => ({ job: i + 1, run: 1 }));
  const pending = { id: "01K00000000000000000000000", at: core().now(), runs };
  await core().records.transact([{ put: { ...key, data: { ...data, pending } }, if: rev }]);
}

test("where this dialect is off all of its paths are 404", async () => {
  await start({ dialects: [em] });
  for (const [path, handles] of ROUTES) {
    const at = path.replaceAll(/:[a-z]+/g, "1");
    for (const method of Object.keys(handles)) {
      expect((await fetch(`${ground.url}${at}`, { method })).status, `${method} ${at}`).toBe(404);
    }
  }
});

test("max_duration: its default and its cap are the operator's; node is one in any letter case", async () => {
  await start({ settings: { PERIGEE_KABUTO_MAX_DURATION: "5" } });
  await prepared(0);
  const over = await me.send("/pipeline/1/job", {
    method: "POST",
    body: new URLSearchParams({ image_id: "1", max_duration: "6" }),
  });
  expect([over.status, await over.json()]).toEqual([
    400,
    { message: "[max_duration]: must be from 1 to 5 minutes" },
  ]);
  const asked: Record<string, string>[] = [{}, { max_duration: "3", node: "gPu" }, { max_duration: "4" }];
  for (const fields of asked) {
    await me.post("/pipeline/1/job", { image_id: "1", ...fields });
  }
  // as it was given while more was allowed
  const key = keys.object(await uidOf("user1"), "job", 3);
  const { data } = (await core().records.get<object>(key))!;
  await core().records.transact([{ put: { ...key, data: { ...data, maxMinutes: 60 } } }]);
  await me.post("/pipeline/1/submit");
  const done = await agent.work();
  const inputs = done.map(({ input }) => input as { maxMs: number; kind?: string });
  expect(inputs.map(({ maxMs, kind }) => [maxMs, kind])).toEqual([
    [300_000, undefined],
    [180_000, "GPU"],
    [300_000, undefined],
  ]);
});

test("an edge is the header's, else the default; an image of another edge is none for its jobs", async () => {
  await start();
  await prepared(0);
  const { accounts } = ground.ground;
  await accounts.addEdge("em2");
  await accounts.grant("em2", "user1");
  await accounts.setDefaultEdge("user1", "em1");
  const headers = { "perigee-edge": "em2" };
  const body = new URLSearchParams({ name: "elsewhere" });
  expect(await (await me.send("/pipeline", { method: "POST", headers, body })).json()).toEqual({ id: 2 });
  expect(await me.post("/pipeline", { name: "here" })).toEqual({ id: 3 });
  const none = { error: "Image not found" };
  expect(await me.post("/pipeline/2/job", { image_id: "1" })).toEqual(none);
  expect(await me.post("/pipeline/3/job", { image_id: "1" })).toEqual({ id: 1 });
  const record = keys.object(await uidOf("user1"), "pipeline", 2);
  expect((await core().records.get<PipelineRecord>(record))!.data.edge).toBe("em2");
});

test("a registered account has the operator's edges, else the only one there is, else none", async () => {
  const refused = { error: "No edge is granted to you" };
  const made = { id: expect.any(Number) };
  /** What the user gets who makes a pipeline on each of these edges. */
  const pipelinesOn = (client: KabutoClient, edges: readonly string[]) =>
    Promise.all(
      edges.map(async (edge) => {
        const init = {
          method: "POST",
          headers: { "perigee-edge": edge },
          body: new URLSearchParams({ name: "p" }),
        };
        return (await client.send("/pipeline", init)).json();
      }),
    );
  await start({ settings: { PERIGEE_KABUTO_EDGES: "em1, em2" } });
  for (const edge of ["em2", "em3"]) await ground.ground.accounts.addEdge(edge);
  const named = await ground.registered("named");
  expect(await pipelinesOn(named, ["em1", "em2", "em3"])).toEqual([made, made, refused]);
  await ground.stop();
  await start();
  expect(await (await ground.registered("only")).post("/pipeline", { name: "p" })).toEqual(made);
  await ground.ground.accounts.addEdge("em2");
  const none = await ground.registered("none");
  expect(await none.post("/pipeline", { name: "p" })).toEqual(refused);
  expect(await none.post("/image", { name: "i", dockerfile: "FROM busybox\n" })).toEqual(refused);
});

test("what a crash left between the decision and its commands is cancelled as any queued job", async () => {
  await start();
  await prepared(3, { on_failure: "stop" });
  await decided(3);
  expect(await me.post("/pipeline/1/job/2/cancel")).toEqual({ message: "Success" });
  const reasons = Object.values(await me.get("/pipeline/1/job")) as { state: string; reason: string }[];
  expect(reasons.map(({ state, reason }) => [state, reason])).toEqual([
    ["in_queue", "Waiting"],
    ["failed", "Cancelled"],
    ["failed", "Skipped"],
  ]);
  expect(await agent.work()).toHaveLength(1);
});

test("and so is all of its pipeline", async () => {
  await start();
  await prepared(3);
  await decided(3);
  expect(await me.post("/pipeline/1/cancel")).toEqual({ "1": "failed", "2": "failed", "3": "failed" });
  for (const job of Object.values(await me.get("/pipeline/1/job"))) {
    expect(job).toMatchObject({ response: -1, reason: "Cancelled", run: 1 });
  }
  expect(await agent.work()).toEqual([]);
});

test("a kill or a cancel that meets what is being sent is answered as any other and changes nothing", async () => {
  await start();
  await prepared(1);
  await me.post("/pipeline/1/submit");
  const [run] = await agent.claim();
  await agent.progress(run!, "sending");
  expect(await me.get("/pipeline/1/job/1/kill")).toEqual({ message: "Success" });
  expect(await me.post("/pipeline/1/job/1/cancel")).toEqual({ message: "Success" });
  await agent.endJob(run!, { end: { exitCode: 3, reason: "Error" } });
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "done", response: 3, reason: "Error" });
});

test("every answer is kept by nobody, and by no page of another origin", async () => {
  await start();
  await prepared(1);
  const text = (value: string) => ({ method: "POST", body: value });
  const form = (value: string) => ({ method: "POST", body: new URLSearchParams({ name: value }) });
  const asked: [status: number, path: string, init: RequestInit][] = [
    [200, "/", {}],
    [200, "/jobs", {}],
    [200, "/pipeline/9/submit", { method: "POST" }],
    [200, "/execution/1/logs", {}],
    [200, "/execution/1/logs", { method: "POST" }],
    [400, "/pipeline", text("")],
    [400, "/pipeline", { ...text("{"), headers: { "content-type": "application/json" } }],
    [401, "/jobs", { headers: { cookie: "" } }],
    [404, "/pipeline/1/other", {}],
    [405, "/jobs", { method: "PUT" }],
    [413, "/pipeline", form("x".repeat(2 ** 20))],
  ];
  for (const [status, path, init] of asked) {
    const headers = { ...init.headers, origin: "https://elsewhere.example" };
    const answer = await me.send(path, { ...init, headers });
    await answer.arrayBuffer();
    expect(answer.status, path).toBe(status);
    expect(Object.fromEntries(answer.headers), `${status} ${path}`).toMatchObject({
      "cache-control": "private, no-store",
      "x-content-type-options": "nosniff",
    });
    const names = [...answer.headers.keys()].filter((name) => name.startsWith("access-control"));
    expect(names, `${status} ${path}`).toEqual([]);
  }
  const headers = { origin: "https://elsewhere.example", "access-control-request-method": "PUT" };
  const options = await me.send("/jobs", { method: "OPTIONS", headers });
  expect([options.status, options.headers.get("access-control-allow-origin")]).toEqual([200, null]);
});

test("no login, e-mail, file name, command or token is in the ground's log", async () => {
  const logged: string[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      logged.push(String(chunk));
      done();
    },
  });
  await start({ log: pino({ level: "info" }, stream) });
  const login = "login with a mark";
  const client = await ground.registered(login);
  await client.get(`/register/confirm/${encodeURIComponent(login)}/${client.confirmation}`);
  await client.image(agent);
  await client.post("/pipeline", { name: "p" });
  const fields = { image_id: "1", command: "echo command-with-a-mark" };
  await client.upload("/pipeline/1/job", fields, { "file-with-a-mark": "x" });
  await client.upload("/pipeline/1/job", { image_id: "9" }, { "file-with-a-mark": "x" });
  await client.post("/pipeline/1/submit");
  await agent.work();
  await client.get("/pipeline/1/job/1/kill");
  const { attachment_token: token } = (await client.get("/jobs"))["1"] as { attachment_token: string };
  await client.get(`/execution/1/attachments/${token}`);
  const wrong = new URLSearchParams({ login, password: "wrong-with-a-mark" });
  for (let i = 0; i < 7; i++) await fetch(`${ground.url}/login`, { method: "POST", body: wrong });
  const all = logged.join("");
  const [, cookie] = client.cookie.split("=");
  const secrets = ["with a mark", "with-a-mark", "with%20a%20mark", client.confirmation, token, cookie!];
  for (const secret of secrets) expect(all.includes(secret), secret).toBe(false);
});

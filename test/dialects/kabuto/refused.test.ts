import { afterEach, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

/** What elsewhere in Perigee says that something is queued, busy, too much or full. */
const NEVER = [202, 409, 423, 429, 503, 507];

let ground: KabutoGround;
let agent: ScriptedAgent;
let me: KabutoClient;
const start = async (options: Parameters<typeof startKabutoGround>[0] = {}) => {
  ground = await startKabutoGround(options);
  agent = await ground.agent();
  me = await ground.user();
};
afterEach(() => ground.stop());

/** The text of a refusal: 200, and nothing else in it. */
async function refusal(path: string, init: RequestInit = { method: "POST" }): Promise<string> {
  const answer = await me.send(path, init);
  expect(NEVER, path).not.toContain(answer.status);
  expect(answer.status, path).toBe(200);
  const body = (await answer.json()) as { error: string };
  expect(Object.keys(body), JSON.stringify(body)).toEqual(["error"]);
  return body.error;
}

const form = (fields: Record<string, string>, files: Record<string, string> = {}, method = "POST") => {
  const body = new FormData();
  for (const [name, text] of Object.entries(files)) body.append("attachments", new Blob([text]), name);
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return { method, body };
};
const build = () => form({ name: "i", dockerfile: "FROM busybox\n" });
const staged = async () => {
  const { staging } = ground.ground;
  const all = await Promise.all(["kept/", "uplink/"].map((prefix) => staging.list(prefix)));
  return all.flat().map(({ key }) => key);
};
const preparedJob = async () => {
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  await me.post("/pipeline/1/job", { image_id: "1" });
};

test("a quota that is used up or would be: a text, and nothing of the request stays", async () => {
  await start({ quota: 4096 });
  await preparedJob();
  const before = await staged();
  const large = { "large.bin": "x".repeat(8192) };
  const text = /^Quota exceeded: Your byte quota is used up, or would be by this: /;
  expect(await refusal("/pipeline/1/job", form({ image_id: "1" }, large))).toMatch(text);
  expect(await refusal("/pipeline/1/job/1", form({}, large, "PUT"))).toMatch(text);
  expect(await refusal("/image", form({ name: "i", dockerfile: "FROM busybox\n" }, large))).toMatch(text);
  expect(await staged()).toEqual(before);
  expect(Object.keys(await me.get("/jobs"))).toEqual(["1"]);
  expect(await agent.work()).toEqual([]);
});

test("storage that is full: a text, and nothing of the request stays", async () => {
  await start();
  await preparedJob();
  await me.upload("/pipeline/1/job", { image_id: "1" }, { "in.txt": "in" });
  // a list with added files is written again at the submission
  await me.upload("/pipeline/1/job/2", {}, { "more.txt": "more" }, "PUT");
  const before = await staged();
  const { staging } = ground.ground;
  const put = staging.put.bind(staging);
  staging.put = async () => {
    throw new PerigeeError("STORAGE_FULL", "Ground storage is full");
  };
  const text = "Storage is full, try again later";
  expect(await refusal("/pipeline/1/job", form({ image_id: "1" }, { a: "1" }))).toBe(text);
  expect(await refusal("/pipeline/1/job/1", form({}, { a: "1" }, "PUT"))).toBe(text);
  expect(await refusal("/image", build())).toBe(text);
  expect(await refusal("/pipeline/1/submit")).toBe(text);
  staging.put = put;
  expect(await staged()).toEqual(before);
  const jobs = await me.get("/jobs");
  for (const id of ["1", "2"]) expect(jobs[id]).toMatchObject({ state: "ready", run: 0 });
  expect(await agent.work()).toEqual([]);
  expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue", "2": "in_queue" });
});

test("too many open requests: a text until one of them has ended", async () => {
  // a clock that stands: no wait runs out by itself
  const at = Date.now();
  await start({ now: () => at });
  await preparedJob();
  await me.post("/pipeline/1/submit");
  const text = "Too many requests at once, try again later";
  const waiting = Array.from({ length: LIMITS.openPerUser + 1 }, () => me.get("/pipeline/1/job/1?wait=25"));
  // the one over the bound is answered while all others wait
  expect(await Promise.race(waiting)).toEqual({ error: text });
  expect(await refusal("/jobs", {})).toBe(text);
  await agent.work();
  const answers = await Promise.all(waiting);
  expect(answers.filter(({ error }) => error === text)).toHaveLength(1);
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "done" });
});

test("an agent that cannot: a text, and the jobs stay as they are", async () => {
  await start();
  await preparedJob();
  await ground.agent({ operations: ["volume.list"] });
  const text = "The edge cannot run jobs: update its agent";
  expect(await refusal("/pipeline/1/submit")).toBe(text);
  expect(await refusal("/image", build())).toBe(text);
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "ready", run: 0 });
});

test("a queue that is full, of builds too: a text with the bound", async () => {
  await start();
  await me.image(agent);
  for (const id of [1, 2]) {
    await me.post("/pipeline", { name: "p" });
    for (let i = 0; i < 51; i++) await me.post(`/pipeline/${id}/job`, { image_id: "1" });
  }
  await me.post("/pipeline/1/submit");
  const text = "The queue is full (You have 100 commands in the queue already), try again later";
  expect(await refusal("/pipeline/2/submit")).toBe(text);
  for (let i = 0; i < 99; i++) await me.post("/image", { name: "i", dockerfile: "FROM busybox\n" });
  // the images that there may be are counted before the queue is
  expect(await refusal("/image", build())).toBe("Too many images (100): delete some");
  const replaced = { name: "i", dockerfile: "FROM busybox\n" };
  await me.put("/image/1", replaced);
  expect(await refusal("/image/1", form(replaced, {}, "PUT"))).toBe(text);
});

test("an edge that is not granted, or not there: a text, also for what was begun before", async () => {
  await start();
  await preparedJob();
  const text = "No edge is granted to you";
  await ground.ground.accounts.addEdge("em2");
  for (const edge of ["em2", "nowhere"]) {
    const headers = { "perigee-edge": edge };
    expect(await refusal("/image", { ...build(), headers })).toBe(text);
    expect(await refusal("/pipeline", { ...form({ name: "p" }), headers })).toBe(text);
  }
  await ground.ground.accounts.revoke("em1", "user1");
  expect(await refusal("/image", build())).toBe(text);
  expect(await refusal("/pipeline", form({ name: "p" }))).toBe(text);
  expect(await refusal("/pipeline/1/submit")).toBe(text);
  expect(Object.keys(await me.get("/pipeline"))).toEqual(["1"]);
});

test("a throttled log-in: 401 that says when to come again, also for the right password", async () => {
  await start();
  await ground.registered("ada");
  const logIn = (password: string) =>
    fetch(`${ground.url}/login`, { method: "POST", body: new URLSearchParams({ login: "ada", password }) });
  let slowed: Response | undefined;
  for (let i = 0; i < 20 && !slowed?.headers.has("retry-after"); i++) {
    slowed = await logIn("wrong");
    expect(slowed.status).toBe(401);
  }
  expect(slowed!.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  const right = await logIn("SecreT");
  expect([right.status, await right.json()]).toEqual([401, { status: 401, message: "Unauthorized" }]);
  expect(right.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect(right.headers.get("set-cookie")).toBeNull();
});

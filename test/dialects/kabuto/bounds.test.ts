import { Writable } from "node:stream";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { LANES } from "#lambdas/dialects/kabuto/lanes.ts";
import { PAGE } from "#lambdas/dialects/kabuto/objects.ts";
import {
  type Counter,
  type JobRecord,
  keys,
  type PipelineRecord,
  type RunRecord,
} from "#lambdas/dialects/kabuto/records.ts";
import { keptPrefix } from "#lambdas/ports/staging-key.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

/** Bounds and times of the two pages that no client can wait for or fill, by a fake clock and by records. */
let ground: KabutoGround;
let agent: ScriptedAgent;
let me: KabutoClient;
let uid: string;
let now = Date.UTC(2026, 10, 27, 7);
const logged: string[] = [];
beforeAll(async () => {
  const stream = new Writable({
    write(chunk, _, done) {
      logged.push(String(chunk));
      done();
    },
  });
  ground = await startKabutoGround({ now: () => now, log: pino({ level: "error" }, stream) });
  agent = await ground.agent();
  me = await ground.user();
  uid = (await ground.ground.accounts.getUser("user1"))!.uid;
  await me.image(agent);
});
afterAll(() => ground.stop());

const core = () => ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;

/** A pipeline with one job. */
async function prepared(files: Record<string, string> = {}): Promise<{ of: string; id: number }> {
  const { id: pipeline } = (await me.post("/pipeline", { name: "p" })) as { id: number };
  const of = `/pipeline/${pipeline}`;
  const { id } = (await me.upload(`${of}/job`, { image_id: "1" }, files)) as { id: number };
  return { of, id };
}

/** Changes a record, and what it was before is back afterwards. */
async function changed<T>(key: { pk: string; sk: string }, to: Partial<T>, work: () => Promise<void>) {
  const { records } = core();
  const before = (await records.get<T>(key))!.data;
  await records.transact([{ put: { ...key, data: { ...before, ...to } } }]);
  await work();
  await records.transact([{ put: { ...key, data: before } }]);
}

test("a fault of the ground's own is 500 in this API's shape; its cause is in the log alone", async () => {
  const key = keys.object(uid, "pipeline", 999);
  // as no version writes it
  await core().records.transact([{ put: { ...key, data: null } }]);
  for (const [method, path] of [
    ["GET", "/pipeline/999"],
    ["GET", "/pipeline"],
    ["PUT", "/pipeline/999"],
    ["POST", "/pipeline/999/submit"],
  ] as const) {
    logged.length = 0;
    const answer = await me.send(path, {
      method,
      ...(method !== "GET" && { body: new URLSearchParams({ name: "x" }) }),
    });
    expect([answer.status, await answer.json()], path).toEqual([
      500,
      { status: 500, message: "Internal Server Error" },
    ]);
    expect(Object.fromEntries(answer.headers), path).toMatchObject({
      "content-type": "application/json",
      "cache-control": "private, no-store",
      "x-content-type-options": "nosniff",
    });
    expect(logged.join(), path).toContain("TypeError");
  }
  await core().records.transact([{ delete: key }]);
});

test("failed log-ins are slowed to the second, also for the right password, and from 1 s on it doubles", async () => {
  await ground.registered("slow");
  const logIn = async (password: string) => {
    const body = new URLSearchParams({ login: "slow", password });
    const answer = await fetch(`${ground.url}/login`, { method: "POST", body });
    expect(answer.headers.get("www-authenticate")).toBeNull();
    return [answer.status, answer.headers.get("retry-after")];
  };
  for (let i = 0; i < 5; i++) expect(await logIn("wrong")).toEqual([401, null]);
  for (const seconds of [1, 2]) {
    expect(await logIn("SecreT")).toEqual([401, String(seconds)]);
    now += seconds * 1000 - 1;
    expect(await logIn("SecreT")).toEqual([401, "1"]);
    now += 1;
    expect(await logIn("wrong")).toEqual([401, null]);
  }
  expect(await logIn("wrong")).toEqual([401, "4"]);
  now += 4000;
  expect(await logIn("SecreT")).toEqual([200, null]);
  expect(await logIn("wrong")).toEqual([401, null]);
});

test("wait is 25 s at most, for a job, a build and rows", async () => {
  const { of, id } = await prepared();
  await me.post(`${of}/submit`);
  const { build_id } = await me.post("/image", { name: "x", dockerfile: "FROM busybox\n" });
  const { commands, podLogs } = core();
  const asked: (number | undefined)[] = [];
  vi.spyOn(commands, "forChange").mockImplementation(async (command, ms) => {
    asked.push(ms);
    now += ms;
    return command;
  });
  const rows = podLogs.rows.bind(podLogs);
  vi.spyOn(podLogs, "rows").mockImplementation((key, options) => {
    asked.push(options.waitMs);
    return rows(key, { ...options, waitMs: 0 });
  });
  for (const [wait, ms] of [
    ["3", 3_000],
    ["25", 25_000],
    ["26", 25_000],
    ["999999", 25_000],
  ] as const) {
    asked.length = 0;
    expect(((await me.get(`${of}/job/${id}?wait=${wait}`))[id] as { state: string }).state).toBe("in_queue");
    expect(await me.get(`/image/build/${build_id}?wait=${wait}`)).toEqual({ state: "PENDING" });
    expect(await me.get(`/execution/${id}/logs?wait=${wait}`)).toEqual([]);
    expect(asked.slice(0, 3), wait).toEqual([ms, ms, ms]);
  }
  vi.restoreAllMocks();
  await me.post(`${of}/cancel`);
  await agent.work();
});

describe("what a user may have", () => {
  test.each([
    ["pipeline", 500, "/pipeline", { name: "p" }, "Too many pipelines (500): delete some"],
    ["job", 5_000, "job", { image_id: "1" }, "Too many jobs (5000): delete some"],
  ] as const)("%ss: %i", async (kind, most, path, fields, error) => {
    const { of } = await prepared();
    const at = path === "job" ? `${of}/job` : path;
    await changed<Counter>(keys.counter(uid, kind), { used: most }, async () => {
      expect(await me.post(at, fields)).toEqual({ error });
    });
    await changed<Counter>(keys.counter(uid, kind), { used: most - 1 }, async () => {
      expect(await me.post(at, fields)).toEqual({ id: expect.any(Number) });
    });
    // the counter was put back to before that object
    const { records } = core();
    const key = keys.counter(uid, kind);
    const { last, used } = (await records.get<Counter>(key))!.data;
    await records.transact([{ put: { ...key, data: { last: last + 1, used: used + 1 } } }]);
  });

  test("jobs of a pipeline: 100; files of a job: 1,000; runs of a job: 4,096", async () => {
    const { of, id } = await prepared({ a: "1" });
    const pipeline = keys.object(uid, "pipeline", Number(of.split("/").at(-1)));
    const jobs = [id, ...Array.from({ length: 99 }, (_, n) => 100_000 + n)];
    await changed<PipelineRecord>(pipeline, { jobs }, async () => {
      const error = "Too many jobs in the pipeline (100): make another";
      expect(await me.post(`${of}/job`, { image_id: "1" })).toEqual({ error });
    });

    const { token, attachments } = (await core().records.get<JobRecord>(keys.object(uid, "job", id)))!.data;
    const list = `${keptPrefix("user1", "kabuto")}${uid}/inbox/${token}/${attachments!.list}`;
    const files = Array.from({ length: 1_000 }, (_, n) => ({
      n,
      path: `f${n}`,
      size: 0,
      xxh64: "0".repeat(16),
    }));
    const bytes = Buffer.from(JSON.stringify(files));
    await core().staging.put(list, bytes, { maxBytes: bytes.length });
    expect(await me.upload(`${of}/job/${id}`, {}, { more: "" }, "PUT")).toEqual({
      error: "Too many attachments in the job (1000)",
    });
    // one in the place of another is none more
    expect(await me.upload(`${of}/job/${id}`, {}, { f7: "" }, "PUT")).toEqual({ id });

    await me.post(`${of}/submit`);
    await agent.work();
    await changed<RunRecord>(keys.run(uid, id), { run: 4_096 }, async () => {
      const error = "A job was submitted 4096 times: make a new one";
      expect(await me.post(`${of}/submit`)).toEqual({ error });
    });
  });

  test("what waits and runs at once", () => {
    const [jobs, builds] = [
      LANES.find(({ name }) => name === "kabuto"),
      LANES.find(({ name }) => name === "kabuto-build"),
    ];
    expect(jobs).toMatchObject({ width: 64, bounds: { queuePerEdge: 400, queuePerUser: 100 } });
    expect(builds).toMatchObject({ width: 1 });
  });
});

test("of many jobs the list is sent as it is read: one JSON object with all of them, in order", async () => {
  const { of, id } = await prepared();
  const { records } = core();
  const template = (await records.get<JobRecord>(keys.object(uid, "job", id)))!.data;
  const ids = Array.from({ length: 2 * PAGE + 1 }, (_, n) => 200_000 + n);
  for (let at = 0; at < ids.length; at += 20) {
    const some = ids.slice(at, at + 20).map((one) => ({ ...template, id: one }));
    await records.transact(some.map((data) => ({ put: { ...keys.object(uid, "job", data.id), data } })));
  }
  const answer = await me.send("/jobs");
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(answer.headers.get("content-length")).toBeNull();
  const jobs = (await answer.json()) as Record<string, { id: number }>;
  expect(Object.keys(jobs).slice(-ids.length)).toEqual(ids.map(String));
  expect(jobs[id]).toMatchObject({ id, pipeline: { id: Number(of.split("/").at(-1)) } });
  expect((await me.send("/jobs", { method: "HEAD" })).status).toBe(200);
  for (let at = 0; at < ids.length; at += 20) {
    const some = ids.slice(at, at + 20).map((one) => ({ delete: keys.object(uid, "job", one) }));
    await records.transact(some);
  }
  expect(Object.keys(await me.get("/jobs"))).not.toContain("200000");
});

test("a result that storage has no more is told so; without a zip there is none", async () => {
  const { of, id } = await prepared();
  await me.post(`${of}/submit`);
  await agent.work();
  const path = `${of}/job/${id}?result`;
  expect((await me.send(path)).headers.get("content-type")).toBe("application/zip");
  await core().staging.deletePrefix(`${keptPrefix("user1", "kabuto")}${uid}/results/${id}/`);
  expect(await me.get(path)).toEqual({ error: "Something went wrong, contact your admin" });
});

test("an Idempotency-Key is known for 24 hours", async () => {
  const send = async () => {
    const body = new URLSearchParams({ name: "p" });
    return (
      await me.send("/pipeline", { method: "POST", headers: { "idempotency-key": "day" }, body })
    ).json();
  };
  const first = await send();
  now += 24 * 3600_000 - 1;
  expect(await send()).toEqual(first);
  now += 1;
  expect(await send()).not.toEqual(first);
});

test("a pipeline of many jobs and one of few are submitted alike, and queued once", async () => {
  for (const count of [1, 6, 7, 25]) {
    const { of } = await prepared({ a: "1" });
    for (let n = 1; n < count; n++) await me.post(`${of}/job`, { image_id: "1" });
    const answers = await Promise.all([me.post(`${of}/submit`), me.post(`${of}/submit`)]);
    for (const answer of answers) {
      expect(Object.values(answer), String(count)).toEqual(Array(count).fill("in_queue"));
    }
    const done = await agent.work();
    expect(done, String(count)).toHaveLength(count);
    const states = await me.get(`${of}/job`);
    for (const job of Object.values(states)) expect(job).toMatchObject({ state: "done", run: 1 });
  }
});

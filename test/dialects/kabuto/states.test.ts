import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { EARLIER_JOBS, type JobEnd } from "#protocol/job-run.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import { EMPTY_ZIP, type ScriptedAgent } from "./support/scripted-agent.ts";

/** Every state that a job shows, with all of its keys. */
let ground: KabutoGround;
let agent: ScriptedAgent;
let me: KabutoClient;
let now = Date.UTC(2026, 10, 27, 7);
beforeAll(async () => {
  ground = await startKabutoGround({ now: () => now });
  agent = await ground.agent();
});
afterAll(() => ground.stop());
beforeEach(async () => {
  me = await ground.user();
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  for (const command of ["echo a", ""]) await me.post("/pipeline/1/job", { image_id: "1", command });
});

const READY = {
  id: 1,
  command: "echo a",
  state: "ready",
  creation_date: "2026-11-27",
  response: null,
  used_cpu: 0,
  used_memory: 0,
  used_io: 0,
  attachment_token: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  results_path: "/outbox",
  image: { id: 1 },
  pipeline: { id: 1 },
  run: 0,
  submitted: null,
  started: null,
  finished: null,
  reason: null,
  message: null,
  position: null,
  result_size: null,
  max_duration: null,
  node: null,
};
const iso = (ms: number) => new Date(ms).toISOString();
const jobOne = async () => (await me.get("/pipeline/1/job/1"))["1"];

test("until it ends: ready, in_queue for each reason, running, sending", async () => {
  const ready = (await jobOne()) as typeof READY;
  expect(ready).toEqual({ ...READY, max_duration: ready.max_duration, node: ready.node });
  expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue", "2": "in_queue" });
  const queued = { ...ready, state: "in_queue", run: 1, submitted: iso(now) };
  expect(await me.get("/pipeline/1/job")).toEqual({
    "1": { ...queued, reason: "Waiting", position: 1 },
    "2": {
      ...queued,
      id: 2,
      command: null,
      attachment_token: READY.attachment_token,
      reason: "Waiting",
      position: 2,
    },
  });
  now += 3600_000;
  expect(await jobOne()).toEqual({ ...queued, reason: "NoContact", position: 1 });
  const [first, second] = await agent.claim();
  expect(await jobOne()).toEqual({ ...queued, reason: "Waiting" });
  await agent.progress(first!, "fetching");
  expect(await jobOne()).toEqual({ ...queued, reason: "Fetching" });
  await agent.progress(second!, undefined, EARLIER_JOBS);
  expect((await me.get("/pipeline/1/job/2"))["2"]).toMatchObject({
    state: "in_queue",
    reason: "Pipeline",
    position: null,
  });
  const startedAt = now - 1_000;
  await agent.progress(first!, "running", undefined, startedAt);
  const running = { ...queued, state: "running", started: iso(startedAt) };
  expect(await jobOne()).toEqual(running);
  for (const phase of ["packing", "sending"]) {
    await agent.progress(first!, phase, undefined, startedAt);
    expect(await jobOne(), phase).toEqual({ ...running, reason: "Sending" });
  }
  await agent.endJob(first!, { end: { message: "for people" } });
  expect(await jobOne()).toEqual({
    ...running,
    state: "done",
    response: 0,
    reason: "Completed",
    message: "for people",
    started: iso(1_000),
    finished: iso(2_000),
    used_cpu: 1.23,
    used_memory: 5,
    used_io: 0.5,
    result_size: EMPTY_ZIP.length,
  });
  await agent.endJob(second!);
  // and again: nothing is left of the run before
  await me.post("/pipeline/1/submit");
  expect(await jobOne()).toEqual({
    ...queued,
    run: 2,
    submitted: iso(now),
    reason: "NoContact",
    position: 1,
  });
  await me.post("/pipeline/1/cancel");
  expect(await jobOne()).toEqual({
    ...queued,
    run: 2,
    submitted: iso(now),
    state: "failed",
    response: -1,
    reason: "Cancelled",
    finished: iso(now),
  });
});

const done = (reason: JobEnd["reason"], exitCode: number) => ({ state: "done" as const, reason, exitCode });
const failed = (reason: JobEnd["reason"], exitCode: number | null = null) => ({
  state: "failed" as const,
  reason,
  exitCode,
});
const ENDS: readonly [end: ReturnType<typeof done | typeof failed>, response: number][] = [
  [done("Completed", 0), 0],
  [done("Error", 3), 3],
  [done("OOMKilled", 137), 137],
  [done("Killed", 137), 137],
  [done("Cancelled", 7), 7],
  [failed("Cancelled"), -1],
  [failed("Skipped"), -1],
  [failed("StartError"), -1],
  [failed("ImageMissing"), -1],
  [failed("DeadlineExceeded"), -1],
  [failed("Evicted"), -1],
  [failed("NodeLost"), -1],
  [failed("ResultTooLarge", 5), 5],
];
test("every end that the agent tells, over runs of one job", async () => {
  for (const [at, [end, response]] of ENDS.entries()) {
    await me.post("/pipeline/1/submit");
    for (const command of await agent.claim()) await agent.endJob(command, { end });
    expect(await jobOne(), end.reason).toMatchObject({
      state: end.state,
      response,
      reason: end.reason,
      result_size: end.state === "done" ? EMPTY_ZIP.length : null,
      position: null,
      run: at + 1,
    });
    const result = await me.send("/pipeline/1/job/1?result");
    if (end.state === "done") expect(result.headers.get("content-type"), end.reason).toBe("application/zip");
    else expect(await result.json()).toEqual({ error: "Job has not finished running, or has failed" });
  }
});

test.each([
  ["INTERRUPTED", "Interrupted"],
  ["QUOTA_EXCEEDED", "Evicted"],
  ["STORAGE_FULL", "Evicted"],
])("a command that ended with %s is failed, -1, %s", async (code, reason) => {
  await me.post("/pipeline/1/submit");
  for (const command of await agent.claim()) {
    await agent.report(command, { state: "failed", failure: { code, message: "the edge's words" } });
  }
  expect(await jobOne()).toMatchObject({
    state: "failed",
    response: -1,
    reason,
    message: "the edge's words",
    finished: iso(now),
    result_size: null,
  });
});

test("wait takes any text; what has ended is answered at once", async () => {
  await me.post("/pipeline/1/submit");
  await agent.work();
  for (const wait of ["0", "25", "26", "x", "-1", ""]) {
    expect((await me.get(`/pipeline/1/job/1?wait=${wait}`))["1"], wait).toMatchObject({ state: "done" });
    expect(await me.get(`/execution/1/logs?wait=${wait}`)).toEqual([]);
  }
});

test("a build that is waited for is answered when it ends, and at once afterwards", async () => {
  const { build_id } = await me.post("/image", { name: "a", dockerfile: "FROM busybox\n" });
  const path = `/image/build/${build_id}`;
  for (const wait of ["0", "x"]) expect(await me.get(`${path}?wait=${wait}`)).toEqual({ state: "PENDING" });
  const waiting = me.get(`${path}?wait=26`);
  await agent.work();
  const ended = { state: "SUCCESS", id: 2, output: [{ stream: "Step 1/1 : FROM busybox\n" }] };
  expect(await waiting).toMatchObject({ state: "SUCCESS", id: 2 });
  expect(await me.get(`${path}?wait=25`)).toEqual(ended);
});

test("a row that is waited for is answered when it comes", async () => {
  await me.post("/pipeline/1/submit");
  const [first, second] = await agent.claim();
  await agent.progress(first!, "running");
  const waiting = me.get("/execution/1/logs?wait=26");
  await agent.log(first!, "one\n");
  expect(await waiting).toEqual([{ id: 4, job: 1, logline: "one" }]);
  for (const command of [first!, second!]) await agent.endJob(command);
});

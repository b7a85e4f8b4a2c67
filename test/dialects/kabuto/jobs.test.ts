import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import { EMPTY_ZIP, type ScriptedAgent } from "./support/scripted-agent.ts";

let ground: KabutoGround;
let agent: ScriptedAgent;
beforeAll(async () => {
  ground = await startKabutoGround();
  agent = await ground.agent();
});
afterAll(() => ground.stop());

/** A user with an image and a pipeline of so many jobs. */
async function prepared(count: number, fields: Record<string, string> = {}) {
  const me = await ground.user();
  await me.image(agent);
  await me.post("/pipeline", { name: "p", ...fields });
  for (let i = 0; i < count; i++) await me.post("/pipeline/1/job", { image_id: "1", command: `echo ${i}` });
  return me;
}
const job = async (me: KabutoClient, id = 1) =>
  (await me.get(`/pipeline/1/job/${id}`))[id] as Record<string, unknown>;
const jobNumber = ({ input }: { input: unknown }) => Number((input as { pod: string }).pod.slice(1));

describe("pipelines", () => {
  test("are named, listed with their jobs in order, and deleted with them", async () => {
    const me = await prepared(3);
    const creation_date = new Date().toISOString().slice(0, 10);
    const jobs = [{ id: 1 }, { id: 2 }, { id: 3 }];
    expect(await me.get("/pipeline")).toEqual({
      "1": { id: 1, name: "p", creation_date, jobs, on_failure: "continue" },
    });
    expect(Object.keys(await me.get("/jobs"))).toEqual(["1", "2", "3"]);
    expect(await me.put("/pipeline/1", {})).toEqual({});
    expect(await me.put("/pipeline/1", { name: "q", rearrange_jobs: "3, 1,2", on_failure: "stop" })).toEqual({
      name: "Successfully updated name",
      rearrange_jobs: "Successfully removed jobs",
      on_failure: "Successfully updated on_failure",
    });
    expect((await me.get("/pipeline/1"))["1"]).toMatchObject({
      name: "q",
      on_failure: "stop",
      jobs: [{ id: 3 }, { id: 1 }, { id: 2 }],
    });
    expect(await me.put("/pipeline/1", { rearrange_jobs: "1,2" })).toEqual({
      rearrange_jobs: "Could not rearrange jobs. rearrange ids are [1, 2] while current ids are [1, 2, 3]",
    });
    expect(await me.put("/pipeline/1", { remove_jobs: "2,77" })).toEqual({
      remove_jobs: "Successfully removed jobs",
    });
    expect(Object.keys(await me.get("/pipeline/1/job"))).toEqual(["1", "3"]);
    // an id is never given again
    expect(await me.post("/pipeline/1/job", { image_id: "1" })).toEqual({ id: 4 });
    expect(await me.delete("/pipeline/1")).toEqual({ status: "Successfully deleted the pipeline" });
    expect([await me.get("/pipeline"), await me.get("/jobs")]).toEqual([{}, {}]);
    expect(await me.post("/pipeline", { name: "again" })).toEqual({ id: 2 });
  });

  test("of many jobs go whole", async () => {
    const me = await prepared(20);
    expect(await me.put("/pipeline/1", { remove_jobs: "1,2,3,4,5,6,7,8,9" })).toEqual({
      remove_jobs: "Successfully removed jobs",
    });
    expect(Object.keys(await me.get("/jobs"))).toHaveLength(11);
    await me.delete("/pipeline/1");
    expect(await me.get("/jobs")).toEqual({});
  });

  test("that are not there are refused, each in its route's words", async () => {
    const me = await ground.user();
    const rights = (what: string, verb = "update") =>
      `You either don't have the rights to ${verb} this ${what}, or it does not exist`;
    expect(await me.put("/pipeline/9", { name: "x" })).toEqual({ error: rights("image") });
    expect(await me.delete("/pipeline/9")).toEqual({ error: rights("pipeline") });
    expect(await me.post("/pipeline/9/submit")).toEqual({ error: "Pipeline not found" });
    expect(await me.post("/pipeline/9/job", { image_id: "1" })).toEqual({ error: "Pipeline not found" });
    expect(await me.put("/image/9", { name: "x" })).toEqual({ error: rights("image") });
    expect(await me.delete("/image/9")).toEqual({ error: rights("image") });
    await me.post("/pipeline", { name: "p" });
    expect(await me.post("/pipeline/1/submit")).toEqual({});
    expect(await me.post("/pipeline/1/job", {})).toEqual({ error: "Image not found" });
    expect(await me.put("/pipeline/1/job/9", {})).toEqual({ error: rights("job") });
    expect(await me.delete("/pipeline/1/job/9")).toEqual({ error: rights("job", "delete") });
    for (const verb of ["kill", "cancel"]) {
      expect(await me.post(`/pipeline/1/job/9/${verb}`)).toEqual({ error: rights("job") });
    }
    expect(await me.get("/pipeline/1/job/9")).toEqual({});
    expect(await me.get("/pipeline/1/job/9?result")).toEqual({ error: "Job not found" });
    expect(await me.get("/execution/9/logs")).toEqual({ error: "Job not found" });
  });
});

describe("a submission", () => {
  test("queues what is free, in order, and what is queued once", async () => {
    const me = await prepared(12);
    const all = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [i + 1, "in_queue"]));
    await me.put("/pipeline/1", { rearrange_jobs: "12,11,10,9,8,7,6,5,4,3,2,1" });
    const answers = await Promise.all([me.post("/pipeline/1/submit"), me.post("/pipeline/1/submit")]);
    for (const answer of answers) expect(answer).toEqual(all);
    expect((await job(me, 12)).position).toBe(1);
    const commands = await agent.claim();
    expect(commands.map(jobNumber)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(new Set(commands.map(({ group }) => group)).size).toBe(1);
    for (const command of commands) await agent.endJob(command);
    expect(await me.post("/pipeline/1/submit")).toEqual(all);
    expect(await job(me)).toMatchObject({ state: "in_queue", run: 2, response: null, used_cpu: 0 });
    await agent.work();
  });

  test("is refused whole when a job's image is gone", async () => {
    const me = await prepared(2);
    expect(await me.delete("/image/1")).toEqual({ status: "Successfully deleted the image" });
    expect(await job(me)).toMatchObject({ image: { id: null }, state: "ready" });
    expect(await me.post("/pipeline/1/submit")).toEqual({ error: "Image not found" });
    expect(await job(me)).toMatchObject({ state: "ready", run: 0 });
    const done = await agent.work();
    expect(done).toMatchObject([{ operation: "image.delete", input: { space: "kabuto" } }]);
  });

  test("is refused when the queue is full, and nothing of it stays", async () => {
    const me = await prepared(60);
    await me.post("/pipeline", { name: "second" });
    for (let i = 0; i < 60; i++) await me.post("/pipeline/2/job", { image_id: "1" });
    expect(Object.keys(await me.post("/pipeline/1/submit"))).toHaveLength(60);
    expect(await me.post("/pipeline/2/submit")).toEqual({
      error: expect.stringMatching(/^The queue is full \(.*\), try again later$/),
    });
    expect((await me.get("/pipeline/2/job/61"))["61"]).toMatchObject({ state: "ready", run: 0 });
    const cancelled = Object.values(await me.post("/pipeline/1/cancel"));
    expect(new Set(cancelled)).toEqual(new Set(["failed"]));
    expect(Object.keys(await me.post("/pipeline/2/submit"))).toHaveLength(60);
    await me.post("/pipeline/2/cancel");
  });
});

describe("a job that is queued or running", () => {
  test("cannot be changed, removed or lose its image, and is killed or cancelled", async () => {
    const me = await prepared(2);
    await me.post("/pipeline/1/submit");
    expect(await me.put("/pipeline/1/job/1", { command: "x" })).toEqual({
      error: "Cannot update a job that is queued or running",
    });
    expect(await me.delete("/pipeline/1/job/1")).toEqual({
      error: "Cannot delete jobs in queue, try again later",
    });
    expect(await me.delete("/image/1")).toEqual({
      error: "Cannot delete an image that a queued or running job uses",
    });
    expect(await me.delete("/pipeline/1")).toEqual({
      error: "Cannot delete a pipeline while its jobs are queued or running",
    });
    expect(await me.put("/pipeline/1", { remove_jobs: "1" })).toEqual({
      remove_jobs: "Could not remove jobs. [1] are queued or running",
    });
    const kill = (id: number) => me.get(`/pipeline/1/job/${id}/kill`);
    expect(await kill(1)).toEqual({ error: "Cannot kill a job that is not running" });
    // cancelled while it waits on the ground
    expect(await me.post("/pipeline/1/job/2/cancel")).toEqual({ message: "Success" });
    expect(await job(me, 2)).toMatchObject({ state: "failed", response: -1, reason: "Cancelled" });
    const [run] = await agent.claim();
    await agent.progress(run!, "running");
    expect(await kill(1)).toEqual({ message: "Success" });
    expect(await agent.progress(run!)).toMatchObject({ cancel: [run!.id], kill: [run!.id] });
    await agent.endJob(run!, { end: { exitCode: 137, reason: "Killed" } });
    expect(await job(me)).toMatchObject({ state: "done", response: 137, reason: "Killed" });
    expect(await kill(1)).toEqual({ error: "Cannot kill a job that is not running" });
    expect(await me.post("/pipeline/1/job/1/cancel")).toEqual({
      error: "Cannot cancel a job that is not queued or running",
    });
  });

  test("is gone at once when it is deleted while it runs, whatever comes of it", async () => {
    const me = await prepared(1);
    await me.post("/pipeline/1/submit");
    const [run] = await agent.claim();
    await agent.progress(run!, "running");
    expect(await me.delete("/pipeline/1/job/1")).toEqual({ message: "Successfully deleted job" });
    expect([await me.get("/jobs"), await me.get("/execution/1/logs")]).toEqual([
      {},
      { error: "Job not found" },
    ]);
    expect(await agent.progress(run!)).toMatchObject({ kill: [run!.id] });
    await agent.endJob(run!, { log: "late\n" });
    expect(await me.get("/jobs")).toEqual({});
    expect(await ground.ground.staging.usage("kept/")).toBeGreaterThanOrEqual(0);
  });

  test("shows why it waits, and its end by wait", async () => {
    const me = await prepared(1);
    await me.post("/pipeline/1/submit");
    const [run] = await agent.claim();
    await agent.progress(run!, "waiting", "the earlier jobs of its group");
    expect(await job(me)).toMatchObject({ state: "in_queue", reason: "Waiting" });
    await agent.progress(run!, "running");
    const waiting = me.get("/pipeline/1/job/1?wait=25");
    await agent.endJob(run!, { end: { exitCode: 3, reason: "Error" } });
    expect((await waiting)["1"]).toMatchObject({ state: "done", response: 3, reason: "Error" });
  });
});

describe("results and attachments", () => {
  test("a file of the same name takes the place of the earlier one, others are added", async () => {
    const me = await prepared(0);
    await me.upload("/pipeline/1/job", { image_id: "1" }, { a: "1", b: "2" });
    expect(await me.upload("/pipeline/1/job/1", {}, { b: "3", "d/c": "4" }, "PUT")).toEqual({ id: 1 });
    for (let run = 1; run <= 2; run++) {
      await me.post("/pipeline/1/submit");
      const [command] = await agent.claim();
      expect(await agent.files(command!)).toEqual({ a: "1", b: "3", "d/c": "4" });
      await agent.endJob(command!);
    }
    await me.delete("/pipeline/1/job/1");
    const kept = await ground.ground.staging.list("kept/");
    expect(kept.filter(({ key }) => key.includes("/inbox/"))).toEqual([]);
  });

  test("a refused request leaves no file", async () => {
    const me = await prepared(0);
    expect(await me.upload("/pipeline/1/job", { image_id: "7" }, { a: "1" })).toEqual({
      error: "Image not found",
    });
    const kept = await ground.ground.staging.list("kept/");
    expect(kept.filter(({ key }) => key.includes("/inbox/"))).toEqual([]);
  });

  test("a result is there for done alone, of the newest run, also in parts", async () => {
    const me = await prepared(1);
    const refused = { error: "Job has not finished running, or has failed" };
    expect(await me.get("/pipeline/1/job/1?result")).toEqual(refused);
    await me.post("/pipeline/1/submit");
    expect(await me.get("/pipeline/1/job/1?result=0")).toEqual(refused);
    const [first] = await agent.claim();
    await agent.endJob(first!, { zip: Buffer.from("zip of the first run") });
    const zip = (headers = {}) => me.send("/pipeline/1/job/1?result=", { headers });
    expect(await (await zip()).text()).toBe("zip of the first run");
    const part = await zip({ range: "bytes=7-9" });
    expect([part.status, await part.text(), part.headers.get("content-range")]).toEqual([
      206,
      "the",
      "bytes 7-9/20",
    ]);
    await me.post("/pipeline/1/submit");
    const [second] = await agent.claim();
    await agent.endJob(second!, { zip: EMPTY_ZIP });
    expect(Buffer.from(await (await zip()).arrayBuffer())).toEqual(EMPTY_ZIP);
    const results = await ground.ground.staging.list("kept/");
    expect(results.filter(({ key }) => key.endsWith(first!.id))).toEqual([]);
    await me.post("/pipeline/1/submit");
    const [third] = await agent.claim();
    await agent.endJob(third!, { end: { state: "failed", exitCode: null, reason: "StartError" } });
    expect(await me.get("/pipeline/1/job/1?result")).toEqual(refused);
    expect(await job(me)).toMatchObject({ state: "failed", response: -1, reason: "StartError", run: 3 });
    // not on lists
    expect(Object.keys(await me.get("/pipeline/1/job?result"))).toEqual(["1"]);
  });
});

test("rows of two runs have growing ids, and a cursor is where to go on", async () => {
  const me = await prepared(1);
  const runs = ["one\ntwo\n", "three\nfour"];
  for (const log of runs) {
    await me.post("/pipeline/1/submit");
    const [command] = await agent.claim();
    await agent.endJob(command!, { log });
  }
  const rows = (await me.get("/execution/1/logs")) as unknown as { id: number; logline: string }[];
  const base = 2 ** 40;
  expect(rows.map(({ id, logline }) => [id, logline])).toEqual([
    [4, "one"],
    [8, "two"],
    [base + 6, "three"],
    [base + 10, "four"],
  ]);
  for (const [i, { id }] of rows.entries()) {
    expect(await me.get(`/execution/1/logs/${id}`)).toEqual(rows.slice(i + 1));
  }
  expect(await me.get("/execution/1/logs/4?limit=2")).toEqual(rows.slice(1, 3));
  expect(await me.get("/execution/1/logs/x")).toEqual({ error: "Log id must be a number" });
  const text = async (fields: Record<string, string>) =>
    me.send("/execution/1/logs", { method: "POST", body: new URLSearchParams(fields) });
  const whole = await text({});
  expect(await whole.text()).toBe("one\ntwo\nthree\nfour\n");
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    "content-type": "text/plain; charset=utf-8",
    "content-disposition": "attachment; filename=job_1_logs.txt",
    "x-log-size": "19",
  });
  expect(await (await text({ start_byte: "4", size: "3" })).text()).toBe("two");
  expect(await (await text({ start_byte: "100" })).text()).toBe("");
  const broken = await text({ start_byte: "x" });
  expect([broken.status, await broken.json()]).toEqual([
    400,
    { message: "[start_byte]: invalid literal for int() with base 10: 'x'" },
  ]);
  expect((await text({ start_byte: "-1" })).status).toBe(400);
});

test("another user's objects are none", async () => {
  const me = await prepared(1);
  const other = await ground.user();
  for (const path of ["/image/1", "/pipeline/1", "/pipeline/1/job/1", "/jobs"]) {
    expect(await other.get(path), path).toEqual({});
  }
  const { build_id } = await me.post("/image", { name: "x", dockerfile: "FROM x" });
  expect(await other.get(`/image/build/${build_id}`)).toEqual({
    state: "FAILURE",
    error: "Build not found",
    output: "",
  });
  expect(await other.get("/execution/1/logs")).toEqual({ error: "Job not found" });
  expect(await other.post("/pipeline/1/submit")).toEqual({ error: "Pipeline not found" });
  await agent.work();
});

test("50 creations at once get 50 ids", async () => {
  const me = await ground.user();
  const ids = await Promise.all(Array.from({ length: 50 }, () => me.post("/pipeline", { name: "p" })));
  expect(ids.map(({ id }) => id as number).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 50 }, (_, i) => i + 1),
  );
});

test("a request that is sent again under its key gets its first answer", async () => {
  const me = await ground.user();
  await me.image(agent);
  const send = async (path: string, fields: Record<string, string>, key: string) => {
    const headers = { "idempotency-key": key };
    return (await me.send(path, { method: "POST", headers, body: new URLSearchParams(fields) })).json();
  };
  const twice = async (path: string, fields: Record<string, string>) => {
    const first = await send(path, fields, "k");
    expect(await send(path, fields, "k")).toEqual(first);
    expect(await send(path, { ...fields, more: "x" }, "k")).toEqual({
      error: "The Idempotency-Key was used for another request",
    });
    return first;
  };
  expect(await twice("/pipeline", { name: "p" })).toEqual({ id: 1 });
  expect(await twice("/pipeline/1/job", { image_id: "1" })).toEqual({ id: 1 });
  expect(await twice("/image", { name: "i", dockerfile: "FROM busybox" })).toHaveProperty("build_id");
  expect(await send("/pipeline/1/submit", {}, "s")).toEqual({ "1": "in_queue" });
  await agent.work();
  expect(await send("/pipeline/1/submit", {}, "s")).toEqual({ "1": "in_queue" });
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "done", run: 1 });
  expect(Object.keys(await me.get("/image"))).toEqual(["1", "2"]);
  const broken = await me.send("/pipeline?name=x", { method: "POST", headers: { "idempotency-key": "é" } });
  expect([broken.status, await broken.json()]).toEqual([
    400,
    { message: "[Idempotency-Key]: must be 1 to 255 printable characters" },
  ]);
});

test.each([
  ["one that is built", { name: "i", dockerfile: "FROM busybox" }],
  ["one that there is nothing to build of", { name: "i" }],
])("requests for an image under one key at once make one build: %s", async (_, fields) => {
  const me = await ground.user();
  const send = async () => {
    const headers = { "idempotency-key": "at once" };
    const answer = await me.send("/image", { method: "POST", headers, body: new URLSearchParams(fields) });
    return { status: answer.status, body: await answer.json() };
  };
  const answers = await Promise.all(Array.from({ length: 8 }, send));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]).toMatchObject({ status: 200, body: { status: "Your image is being built" } });
});

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { keys, type PipelineRecord, type RunRecord } from "#lambdas/dialects/kabuto/records.ts";
import { type KabutoClient, type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import type { ScriptedAgent } from "./support/scripted-agent.ts";

let ground: KabutoGround;
let agent: ScriptedAgent;
beforeAll(async () => {
  ground = await startKabutoGround();
  agent = await ground.agent();
});
afterAll(() => ground.stop());

const core = () => ground.ground.dialects.find(({ dialect }) => dialect.name === "kabuto")!.core;

/** A user with two jobs, whose submission was decided by a ground that then died. */
async function decided(): Promise<{ me: KabutoClient; uid: string }> {
  const me = await ground.user();
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  for (let i = 0; i < 2; i++) await me.upload("/pipeline/1/job", { image_id: "1" }, { a: String(i) });
  const users = await ground.ground.accounts.listUsers();
  const { uid } = users.sort((a, b) => a.createdAt - b.createdAt).at(-1)!;
  const { records, now } = core();
  const key = keys.object(uid, "pipeline", 1);
  const { data, rev } = (await records.get<PipelineRecord>(key))!;
  const runs = [
    { job: 1, run: 1 },
    { job: 2, run: 1 },
  ];
  const pending = { id: "01K00000000000000000000000", at: now(), runs };
  await records.transact([{ put: { ...key, data: { ...data, pending } }, if: rev }]);
  return { me, uid };
}

test("what was decided is shown at once, and cannot be changed", async () => {
  const { me } = await decided();
  const jobs = await me.get("/jobs");
  for (const id of ["1", "2"]) expect(jobs[id]).toMatchObject({ state: "in_queue", run: 1, response: null });
  expect(await me.delete("/pipeline/1/job/1")).toEqual({
    error: "Cannot delete jobs in queue, try again later",
  });
  expect(await me.delete("/image/1")).toEqual({
    error: "Cannot delete an image that a queued or running job uses",
  });
  await me.post("/pipeline/1/submit");
  await agent.work();
});

test("the next submit completes it, and queues nothing twice", async () => {
  const { me } = await decided();
  expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue", "2": "in_queue" });
  expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue", "2": "in_queue" });
  const done = await agent.work();
  expect(done).toHaveLength(2);
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "done", run: 1 });
});

test("so does any change of the pipeline, and a round of the janitor", async () => {
  for (const next of [
    (me: KabutoClient) => me.put("/pipeline/1", { name: "q" }),
    () => ground.ground.janitor.round(),
  ]) {
    const { me, uid } = await decided();
    await next(me);
    const pipeline = await core().records.get<PipelineRecord>(keys.object(uid, "pipeline", 1));
    expect(pipeline!.data).not.toHaveProperty("pending");
    const run = await core().records.get<RunRecord>(keys.run(uid, 2));
    expect(run!.data).toMatchObject({ run: 1 });
    expect(await agent.work()).toHaveLength(2);
  }
});

test("one that is refused is taken back", async () => {
  const { me, uid } = await decided();
  await core().records.transact([{ delete: keys.object(uid, "image", 1) }]);
  expect(await me.post("/pipeline/1/submit")).toEqual({ error: "Image not found" });
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "ready", run: 0 });
  expect(await agent.work()).toEqual([]);
});

/** Does `work` after the request that comes next has read, before it writes. */
function beforeNextWrite(work: () => Promise<unknown>): void {
  const { records, dispatch } = core();
  const transact = records.transact.bind(records);
  vi.spyOn(records, "transact").mockImplementationOnce(async (writes) => {
    await work();
    return transact(writes);
  });
  const submitTogether = dispatch.submitTogether.bind(dispatch);
  vi.spyOn(dispatch, "submitTogether").mockImplementationOnce(async (drafts, beside) => {
    vi.mocked(records.transact).mockRestore();
    await work();
    return submitTogether(drafts, beside);
  });
}

test("an image is not deleted under a submission, nor run by one that was decided after", async () => {
  const me = await ground.user();
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  await me.post("/pipeline/1/job", { image_id: "1" });

  beforeNextWrite(async () => expect(await me.post("/pipeline/1/submit")).toEqual({ "1": "in_queue" }));
  expect(await me.delete("/image/1")).toEqual({
    error: "Cannot delete an image that a queued or running job uses",
  });
  expect((await agent.work()).map(({ operation }) => operation)).toEqual(["job.run"]);

  beforeNextWrite(async () =>
    expect(await me.delete("/image/1")).toEqual({ status: "Successfully deleted the image" }),
  );
  expect(await me.post("/pipeline/1/submit")).toEqual({ error: "Image not found" });
  expect((await agent.work()).map(({ operation }) => operation)).toEqual(["image.delete"]);
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "done", run: 1 });
});

test("the jobs behind a cancelled one are skipped where that was asked for", async () => {
  const me = await ground.user();
  await me.image(agent);
  await me.post("/pipeline", { name: "p", on_failure: "stop" });
  for (let i = 0; i < 3; i++) await me.post("/pipeline/1/job", { image_id: "1" });
  await me.post("/pipeline/1/submit");
  await me.post("/pipeline/1/job/2/cancel");
  const jobs = await me.get("/jobs");
  expect(jobs["1"]).toMatchObject({ state: "in_queue" });
  expect(jobs["2"]).toMatchObject({ state: "failed", response: -1, reason: "Cancelled" });
  expect(jobs["3"]).toMatchObject({ state: "failed", response: -1, reason: "Skipped" });
  const [run] = await agent.claim();
  expect(run).toMatchObject({ input: { onFailure: "stop" } });
  await agent.endJob(run!);
});

test("without contact every route answers, and what is running goes on as it was told", async () => {
  const me = await ground.user();
  await me.image(agent);
  await me.post("/pipeline", { name: "p" });
  await me.post("/pipeline/1/job", { image_id: "1" });
  const { build_id } = await me.post("/image", { name: "later", dockerfile: "FROM busybox" });
  await me.post("/pipeline/1/submit");
  // nobody claims
  expect(await me.get(`/image/build/${build_id}`)).toEqual({ state: "PENDING" });
  expect((await me.get("/jobs"))["1"]).toMatchObject({ state: "in_queue", position: 1 });
  expect(await me.get("/execution/1/logs")).toEqual([]);
  expect(await me.post("/pipeline/1/cancel")).toEqual({ "1": "failed" });
  await agent.work();
});

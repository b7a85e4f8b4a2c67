import { afterAll, beforeAll, expect, test } from "vitest";
import { type KabutoGround, startKabutoGround } from "./support/kabuto-ground.ts";
import { EMPTY_ZIP } from "./support/scripted-agent.ts";

let ground: KabutoGround;
beforeAll(async () => {
  ground = await startKabutoGround();
});
afterAll(() => ground.stop());

test("from registration to rows and zip, with and without contact", async () => {
  const user = await ground.registered("me");
  expect(await user.get("/")).toEqual({ hello: "world" });
  expect(await user.get(`/register/confirm/me/${user.confirmation}`)).toEqual({ registration: "success" });

  const today = new Date().toISOString().slice(0, 10);
  const dockerfile = 'FROM busybox\nCMD ["echo", "hello world"]\n';
  const started = await user.post("/image", { name: "test", dockerfile });
  expect(started).toEqual({ status: "Your image is being built", build_id: expect.any(String) });
  const build = `/image/build/${started.build_id}`;
  expect(await user.get(build)).toEqual({ state: "PENDING" });
  expect(await user.get("/image")).toEqual({});

  expect(await user.post("/pipeline", { name: "my first pipeline" })).toEqual({ id: 1 });
  const agent = await ground.agent();
  const [command] = await agent.claim();
  expect(command).toMatchObject({ operation: "image.build", hasFiles: true, lane: "kabuto-build" });
  expect(await agent.files(command!)).toEqual({ Dockerfile: dockerfile });
  await agent.endBuild(command!, ["Step 1/2 : FROM busybox", "Successfully built 0123456789ab"]);
  expect(await user.get(build)).toEqual({
    state: "SUCCESS",
    id: 1,
    output: [{ stream: "Step 1/2 : FROM busybox\n" }, { stream: "Successfully built 0123456789ab\n" }],
  });
  expect(await user.get("/image/1")).toEqual({
    "1": { id: 1, name: "test", dockerfile, creation_date: today },
  });

  const files = { file1: "one", "d/file2": "two" };
  const job = await user.upload("/pipeline/1/job", { image_id: "1", command: "echo hello world" }, files);
  expect(job).toEqual({ id: 1 });
  const path = "/pipeline/1/job/1";
  expect(await user.get(path)).toMatchObject({ "1": { state: "ready", response: null, run: 0 } });
  expect(await user.post("/pipeline/1/submit")).toEqual({ "1": "in_queue" });
  expect(await user.get("/execution/1/logs")).toEqual([]);

  const [run] = await agent.claim();
  expect(run).toMatchObject({
    operation: "job.run",
    hasFiles: true,
    input: { args: ["echo", "hello", "world"], files: { count: 2, bytes: 6 }, pod: "j1", space: "kabuto" },
  });
  expect(await agent.files(run!)).toEqual(files);
  await agent.progress(run!, "fetching");
  expect(await user.get(path)).toMatchObject({ "1": { state: "in_queue", reason: "Fetching" } });
  await agent.progress(run!, "running");
  expect(await user.get(path)).toMatchObject({ "1": { state: "running", reason: null } });
  await agent.log(run!, "2026-11-27T07:00:00Z hello world\n");
  await agent.progress(run!, "sending");
  expect(await user.get(path)).toMatchObject({ "1": { state: "running", reason: "Sending" } });
  await agent.endJob(run!);
  expect(await user.get(path)).toMatchObject({
    "1": {
      id: 1,
      command: "echo hello world",
      state: "done",
      response: 0,
      used_cpu: 1.23,
      used_memory: 5,
      used_io: 0.5,
      results_path: "/outbox",
      image: { id: 1 },
      pipeline: { id: 1 },
      run: 1,
      started: "1970-01-01T00:00:01.000Z",
      reason: "Completed",
      result_size: EMPTY_ZIP.length,
    },
  });
  expect(await user.get("/execution/1/logs")).toEqual([
    { id: 33, job: 1, logline: "hello world", time: "2026-11-27T07:00:00Z" },
  ]);
  expect(await user.get("/execution/1/logs/33")).toEqual([]);
  const zip = await user.send(`${path}?result`);
  expect(Object.fromEntries(zip.headers)).toMatchObject({
    "content-type": "application/zip",
    "content-disposition": "attachment; filename=results.zip",
    "content-length": String(EMPTY_ZIP.length),
  });
  expect(Buffer.from(await zip.arrayBuffer())).toEqual(EMPTY_ZIP);
});

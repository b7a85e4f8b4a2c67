import { expect, test } from "vitest";
import { image, me, other, target } from "./support/session.ts";
import { begun, ended, job, pipeline, ran } from "./support/work.ts";

/** Sections 6 and 7. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const image_id = String(image);
const today = () => new Date().toISOString().slice(0, 10);

test("every key of a job, before its first run and after it", async () => {
  const of = await pipeline(me);
  const command = "sh -c 'cat /inbox/d/a; exit 3'";
  const id = await job(me, of, { image_id, command, max_duration: "5", node: "mpu" }, { "d/a": "one\n" });
  const date = today();
  const ready = {
    id,
    command,
    state: "ready",
    creation_date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    response: null,
    used_cpu: 0,
    used_memory: 0,
    used_io: 0,
    attachment_token: expect.stringMatching(/^[0-9a-f-]{36}$/),
    results_path: "/outbox",
    image: { id: image },
    pipeline: { id: Number(of.split("/").at(-1)) },
    run: 0,
    submitted: null,
    started: null,
    finished: null,
    reason: null,
    message: null,
    position: null,
    result_size: null,
    max_duration: 5,
    node: "MPU",
  };
  const before = await me.get(`${of}/job/${id}`);
  expect(before).toEqual({ [id]: ready });
  expect([date, today()]).toContain(before[id].creation_date);
  expect(await me.get(`${of}/job`)).toEqual({ [id]: ready });
  expect((await me.get("/jobs"))[id]).toEqual(ready);
  expect(await me.post(`${of}/submit`)).toEqual({ [id]: "in_queue" });
  const after = await ended(me, of, id);
  expect(after).toEqual({
    ...ready,
    state: "done",
    response: 3,
    reason: "Error",
    run: 1,
    used_cpu: expect.any(Number),
    used_memory: expect.any(Number),
    used_io: expect.any(Number),
    submitted: expect.stringMatching(TIME),
    started: expect.stringMatching(TIME),
    finished: expect.stringMatching(TIME),
    message: after.message,
    result_size: expect.any(Number),
  });
  for (const key of ["used_cpu", "used_memory", "used_io"]) {
    expect(after[key]).toBe(Math.round(after[key] * 100) / 100);
  }
  // again: everything of the first run is gone, and run counts
  expect(await me.post(`${of}/submit`)).toEqual({ [id]: "in_queue" });
  expect(await ended(me, of, id)).toMatchObject({ run: 2, response: 3 });
});

test("a job runs as a command of its image: words, shell form, the image's own CMD", async () => {
  const of = await pipeline(me);
  const commands = ["echo $HOME '>' x", "cat /inbox/a > /outbox/b; cat /outbox/b", ""];
  const ids: number[] = [];
  for (const command of commands) ids.push(await job(me, of, { image_id, command }, { a: "from a file\n" }));
  await me.post(`${of}/submit`);
  const lines: string[] = [];
  for (const id of ids) {
    expect(await ended(me, of, id)).toMatchObject({ state: "done", response: 0, reason: "Completed" });
    for (const { logline } of await me.get(`/execution/${id}/logs`)) lines.push(logline);
  }
  expect(lines).toEqual(["$HOME > x", "from a file", "hello world"]);
  expect((await me.get(`${of}/job/${ids[2]}`))[ids[2]!].command).toBeNull();
});

test("a program that is not there is failed, -1, StartError", async () => {
  const { job: shown } = await ran(me, image, "/no/such/program");
  expect(shown).toMatchObject({ state: "failed", response: -1, reason: "StartError" });
});

test("kill of a running job is done, 137; of any other it is refused", async () => {
  const of = await pipeline(me);
  const id = await job(me, of, { image_id, command: "sleep 600" });
  const path = `${of}/job/${id}`;
  const notRunning = { error: "Cannot kill a job that is not running" };
  const notBusy = { error: "Cannot cancel a job that is not queued or running" };
  expect(await me.get(`${path}/kill`)).toEqual(notRunning);
  expect(await me.post(`${path}/cancel`)).toEqual(notBusy);
  await me.post(`${of}/submit`);
  const running = await begun(me, of, id);
  expect(running).toMatchObject({ state: "running", response: null, reason: null, finished: null });
  expect(running.started).toMatch(TIME);
  expect(await me.put(path, { command: "x" })).toEqual({
    error: "Cannot update a job that is queued or running",
  });
  expect(await me.delete(of)).toEqual({
    error: "Cannot delete a pipeline while its jobs are queued or running",
  });
  expect(await me.put(of, { remove_jobs: String(id) })).toEqual({
    remove_jobs: `Could not remove jobs. [${id}] are queued or running`,
  });
  expect(await me.delete(`/image/${image}`)).toEqual({
    error: "Cannot delete an image that a queued or running job uses",
  });
  expect(await me.get(`${path}?result`)).toEqual({ error: "Job has not finished running, or has failed" });
  expect(await me.get(`${path}/kill`)).toEqual({ message: "Success" });
  expect(await ended(me, of, id)).toMatchObject({ state: "done", response: 137, reason: "Killed" });
  expect(await me.send("POST", `${path}/kill`).then(({ json }) => json)).toEqual(notRunning);
});

test("cancel of a running job asks it to end; of a queued one ends it at once", async () => {
  const of = await pipeline(me);
  const trap = "sh -c \"trap 'exit 7' TERM; while :; do sleep 0.1; done\"";
  const [first, second] = [
    await job(me, of, { image_id, command: trap }),
    await job(me, of, { image_id, command: "true" }),
  ];
  await me.post(`${of}/submit`);
  await begun(me, of, first);
  expect(await me.delete(`${of}/job/${second}`)).toEqual({
    error: "Cannot delete jobs in queue, try again later",
  });
  expect(await me.post(`${of}/job/${second}/cancel`)).toEqual({ message: "Success" });
  expect(await ended(me, of, second)).toMatchObject({ state: "failed", response: -1, reason: "Cancelled" });
  expect(await me.post(`${of}/job/${first}/cancel`)).toEqual({ message: "Success" });
  expect(await ended(me, of, first)).toMatchObject({ state: "done", reason: "Cancelled" });
});

test("a running job that is deleted disappears from every answer at once", async () => {
  const of = await pipeline(me);
  const id = await job(me, of, { image_id, command: "sleep 600" });
  await me.post(`${of}/submit`);
  await begun(me, of, id);
  expect(await me.delete(`${of}/job/${id}`)).toEqual({ message: "Successfully deleted job" });
  expect(await me.get(`${of}/job/${id}`)).toEqual({});
  expect(Object.keys(await me.get("/jobs"))).not.toContain(String(id));
  expect(await me.get(`/execution/${id}/logs`)).toEqual({ error: "Job not found" });
  expect(await me.get(`${of}/job/${id}?result`)).toEqual({ error: "Job not found" });
});

test("PUT changes what is given, adds files, and refuses an unknown image", async () => {
  const of = await pipeline(me);
  const id = await job(me, of, { image_id, command: "cat /inbox/a /inbox/b" }, { a: "1\n" });
  const path = `${of}/job/${id}`;
  expect(await me.upload(path, { image_id: "999999" }, {}, "PUT")).toEqual({ error: "Image not found" });
  expect(await me.upload(path, {}, { a: "2\n", b: "3\n" }, "PUT")).toEqual({ id });
  expect(await me.put(path, { max_duration: "7" })).toEqual({ id });
  expect((await me.get(path))[id]).toMatchObject({ command: "cat /inbox/a /inbox/b", max_duration: 7 });
  await me.post(`${of}/submit`);
  await ended(me, of, id);
  expect((await me.get(`/execution/${id}/logs`)).map(({ logline }: { logline: string }) => logline)).toEqual([
    "2",
    "3",
  ]);
});

test("a job is one of its pipeline alone, and its id is never given again", async () => {
  const [of, elsewhere] = [await pipeline(me), await pipeline(me)];
  const id = await job(me, of, { image_id, command: "true" });
  const path = `${elsewhere}/job/${id}`;
  expect(await me.get(path)).toEqual({});
  expect(await me.get(`${elsewhere}/job`)).toEqual({});
  expect(await me.get(`${path}?result`)).toEqual({ error: "Job not found" });
  const unknown = (verb: string) => ({
    error: `You either don't have the rights to ${verb} this job, or it does not exist`,
  });
  expect(await me.put(path, { command: "false" })).toEqual(unknown("update"));
  expect(await me.get(`${path}/kill`)).toEqual(unknown("update"));
  expect(await me.post(`${path}/cancel`)).toEqual(unknown("update"));
  expect(await me.delete(path)).toEqual(unknown("delete"));
  expect(await me.put(elsewhere, { remove_jobs: String(id) })).toEqual({
    remove_jobs: "Successfully removed jobs",
  });
  // there it is still, as it was; nothing given changes nothing, and what nobody knows is ignored
  expect(await me.put(`${of}/job/${id}`)).toEqual({ id });
  expect(await me.put(`${of}/job/${id}`, { state: "done", id: "7", response: "0" })).toEqual({ id });
  expect((await me.get(`${of}/job/${id}`))[id]).toMatchObject({ id, command: "true", state: "ready" });
  expect(await me.delete(`${of}/job/${id}`)).toEqual({ message: "Successfully deleted job" });
  expect(await me.delete(`${of}/job/${id}`)).toEqual(unknown("delete"));
  expect(await job(me, of, { image_id })).toBeGreaterThan(id);
  const last = Number(elsewhere.split("/").at(-1));
  for (const one of [of, elsewhere]) await me.delete(one);
  expect(Number((await pipeline(me)).split("/").at(-1))).toBeGreaterThan(last);
});

test("rules of the parameters", async () => {
  const of = await pipeline(me);
  expect(await me.get(`${of}/job`)).toEqual({});
  expect(await me.post(`${of}/job`)).toEqual({ error: "Image not found" });
  expect(await me.post(`${of}/job`, { image_id: "abc" })).toEqual({ error: "Image not found" });
  for (const [fields, message] of [
    [{ command: "echo 'a" }, "[command]: No closing quotation"],
    [{ command: "x".repeat(65_537) }, "[command]: must be at most 64 KiB"],
    [{ max_duration: "x" }, "[max_duration]: invalid literal for int() with base 10: 'x'"],
    ...["0", "-5", "99999999999999999999"].map((max_duration) => [
      { max_duration },
      expect.stringMatching(/^\[max_duration\]: must be from 1 to \d+ minutes$/),
    ]),
    [{ node: "TPU" }, expect.stringMatching(/^\[node\]: /)],
  ] as const) {
    const body = new URLSearchParams({ image_id, ...fields });
    const answer = await me.send("POST", `${of}/job`, { body });
    expect([answer.status, answer.json]).toEqual([400, { message }]);
  }
});

test("another user sees nothing of it, and changes nothing", async () => {
  const of = await pipeline(me);
  const marked = `echo ${target.run}-secret`;
  let id = await job(me, of, { image_id, command: marked });
  // ids are counted by user: one that the other user has none of, in a pipeline that the other user has none of
  const theirs = Object.keys(await other.get("/jobs")).map(Number);
  const taken = Object.keys(await other.get("/pipeline"));
  expect(taken).not.toContain(of.split("/").at(-1));
  while (theirs.includes(id)) id = await job(me, of, { image_id, command: marked });
  const path = `${of}/job/${id}`;
  expect((await me.get(path))[id]).toMatchObject({ command: marked });
  for (const one of [path, `${of}/job`, of]) expect(await other.get(one), one).toEqual({});
  expect(JSON.stringify(await other.get("/jobs"))).not.toContain(`${target.run}-secret`);
  expect(await other.get(`${path}?result`)).toEqual({ error: "Job not found" });
  expect(await other.get(`/execution/${id}/logs`)).toEqual({ error: "Job not found" });
  const rights = (verb: string, what: string) => ({
    error: `You either don't have the rights to ${verb} this ${what}, or it does not exist`,
  });
  expect(await other.put(path, { command: "theirs" })).toEqual(rights("update", "job"));
  expect(await other.delete(path)).toEqual(rights("delete", "job"));
  expect(await other.get(`${path}/kill`)).toEqual(rights("update", "job"));
  expect(await other.post(`${path}/cancel`)).toEqual(rights("update", "job"));
  expect(await other.post(`${of}/submit`)).toEqual({ error: "Pipeline not found" });
  expect(await other.post(`${of}/job`, { image_id })).toEqual({ error: "Pipeline not found" });
  expect(await other.delete(of)).toEqual(rights("update", "pipeline"));
  expect((await me.get(path))[id]).toMatchObject({ command: marked, state: "ready" });
});

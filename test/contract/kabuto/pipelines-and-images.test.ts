import { expect, test } from "vitest";
import { image, me, other, target } from "./support/session.ts";
import { built, ended, job, pipeline } from "./support/work.ts";

/** Sections 3 to 5. */
const image_id = String(image);
const TO_UPDATE = "You either don't have the rights to update this image, or it does not exist";

test("an image has exactly these four keys, and its build a list of the engine's objects", async () => {
  const dockerfile = `FROM ${target.base}\nCOPY a /a\n`;
  const started = await me.upload("/image", { name: "with files", dockerfile }, { a: "1" });
  expect(started).toEqual({ status: "Your image is being built", build_id: expect.any(String) });
  const path = `/image/build/${started.build_id}`;
  const answer = await me.until(path, ({ state }) => state !== "PENDING");
  expect(answer).toEqual({ state: "SUCCESS", id: expect.any(Number), output: expect.any(Array) });
  for (const one of answer.output) expect(one).toEqual({ stream: expect.any(String) });
  const { id } = answer;
  const shown = {
    id,
    name: "with files",
    // as fetch writes the text of a multipart form
    dockerfile: dockerfile.replaceAll("\n", "\r\n"),
    creation_date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
  };
  expect(await me.get(`/image/${id}`)).toEqual({ [id]: shown });
  expect((await me.get("/image"))[id]).toEqual(shown);
  // every poll shows the same id; an own image in the path is ignored
  expect(await me.get(path)).toEqual(answer);
  expect(await me.get(`${path}/${image}`)).toEqual(answer);
  expect(await me.get(`${path}/999999`)).toEqual({ error: "could not find image with id 999999" });
  const unknown = { state: "FAILURE", error: "Build not found", output: "" };
  expect(await other.get(path)).toEqual(unknown);
  expect(await me.get("/image/build/none")).toEqual(unknown);
  expect(await me.delete(`/image/${id}`)).toEqual({ status: "Successfully deleted the image" });
  expect(await me.get(`/image/${id}`)).toEqual({});
  expect(await me.delete(`/image/${id}`)).toEqual({ error: TO_UPDATE });
});

test("what cannot be built is FAILED, with a reason", async () => {
  expect(await built(me, {})).toMatchObject({
    state: "FAILED",
    error: "Must provide a dockerfile or a repository",
    output: null,
  });
  expect(await built(me, { repo_url: "https://example.com/r", dockerfile: "FROM x" })).toMatchObject({
    state: "FAILED",
    error: expect.stringMatching(/^Could not clone repository: /),
    output: null,
  });
  const path = await built(me, { dockerfile: "@/path/to/some/docker_file" });
  expect(path).toMatchObject({ state: "FAILED", output: expect.any(Array) });
  const step = await built(me, { dockerfile: `FROM ${target.base}\nRUN exit 3\n` });
  expect(step).toMatchObject({ state: "FAILED", error: "Build failed" });
  const text = step.output.at(-1).error;
  expect(step.output.at(-1)).toEqual({ error: text, errorDetail: { message: text } });
  const missing = await built(me, { dockerfile: "FROM never-onboard\n" });
  expect(missing).toMatchObject({ state: "FAILED", error: "Build failed" });
  expect(JSON.stringify(missing.output)).toContain("never-onboard");
});

test("a pipeline's keys, and PUT in its order: name, remove, rearrange", async () => {
  const of = await pipeline(me, { on_failure: "stop" });
  const id = Number(of.split("/").at(-1));
  const jobs: number[] = [];
  for (let n = 0; n < 3; n++) jobs.push(await job(me, of, { image_id }));
  const [a, b, c] = jobs as [number, number, number];
  const shown = (name: string, order: number[]) => ({
    [id]: {
      id,
      name,
      creation_date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      jobs: order.map((one) => ({ id: one })),
      on_failure: "stop",
    },
  });
  expect(await me.get(of)).toEqual(shown("test", [a, b, c]));
  expect((await me.get("/pipeline"))[id]).toEqual(shown("test", [a, b, c])[id]);
  expect(await me.put(of)).toEqual({});
  expect(await me.put(of, { rearrange_jobs: `${c}, ${a}` })).toEqual({
    rearrange_jobs: `Could not rearrange jobs. rearrange ids are [${[c, a].map(String).sort().join(", ")}] while current ids are [${[a, b, c].map(String).sort().join(", ")}]`,
  });
  expect(
    await me.put(of, {
      name: "new",
      remove_jobs: `${b},999999`,
      rearrange_jobs: `${c}, ${a}`,
      on_failure: "stop",
    }),
  ).toEqual({
    name: "Successfully updated name",
    remove_jobs: "Successfully removed jobs",
    rearrange_jobs: "Successfully removed jobs",
    on_failure: "Successfully updated on_failure",
  });
  expect(await me.get(of)).toEqual(shown("new", [c, a]));
  expect(await me.delete(of)).toEqual({ status: "Successfully deleted the pipeline" });
  expect(await me.get(of)).toEqual({});
  expect(Object.keys(await me.get("/jobs"))).not.toContain(String(a));
});

test("submit answers for every job; on_failure=stop skips the rest; an empty pipeline is {}", async () => {
  const of = await pipeline(me, { on_failure: "stop" });
  expect(await me.post(`${of}/submit`)).toEqual({});
  const fails = await job(me, of, { image_id, command: "false" });
  const after = await job(me, of, { image_id, command: "true" });
  expect(await me.post(`${of}/submit`)).toEqual({ [fails]: "in_queue", [after]: "in_queue" });
  expect(await ended(me, of, fails)).toMatchObject({ state: "done", response: 1 });
  expect(await ended(me, of, after)).toMatchObject({ state: "failed", response: -1, reason: "Skipped" });
  expect(await me.post(`${of}/cancel`)).toEqual({ [fails]: "done", [after]: "failed" });
});

test("on_failure is one of two words; PUT of an image needs its name; rearranging twice the same is refused", async () => {
  const of = await pipeline(me);
  const rule = { message: "[on_failure]: must be continue or stop" };
  for (const [method, path] of [
    ["POST", "/pipeline"],
    ["PUT", of],
  ] as const) {
    const body = new URLSearchParams({ name: "x", on_failure: "restart" });
    const answer = await me.send(method, path, { body });
    expect([answer.status, answer.json], method).toEqual([400, rule]);
  }
  // nothing of it was done
  expect(Object.values(await me.get(of))).toMatchObject([{ name: "test", on_failure: "continue" }]);
  const put = await me.send("PUT", `/image/${image}`, {
    body: new URLSearchParams({ dockerfile: "FROM x" }),
  });
  expect([put.status, put.json.message]).toEqual([400, expect.stringMatching(/^\[name\]: Missing/)]);
  const id = await job(me, of, { image_id });
  expect(await me.put(of, { rearrange_jobs: `${id},${id}` })).toEqual({
    rearrange_jobs: `Could not rearrange jobs. rearrange ids are [${id}, ${id}] while current ids are [${id}]`,
  });
  expect(await me.put(of, { rearrange_jobs: ` ${id} ` })).toEqual({
    rearrange_jobs: "Successfully removed jobs",
  });
  await me.delete(of);
});

test("names are bounded in characters", async () => {
  for (const path of ["/pipeline", "/image"]) {
    const answer = await me.send("POST", path, { body: new URLSearchParams({ name: "ü".repeat(129) }) });
    expect([answer.status, answer.json]).toEqual([
      400,
      { message: "[name]: must be at most 128 characters" },
    ]);
  }
});

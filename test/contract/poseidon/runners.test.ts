import { expect, test } from "vitest";
import { environment, freshId, GONE, me, other, runner } from "./support/session.ts";

const ROUTES = [
  ["DELETE", ""],
  ["GET", "/files"],
  ["PATCH", "/files"],
  ["GET", "/files/raw?path=x"],
  ["POST", "/execute"],
  ["GET", "/websocket?executionID=x"],
] as const;

test("an unknown environment, and a body that is wrong", async () => {
  const unknown = await me.body("POST", "/runners", { executionEnvironmentId: freshId() });
  expect([unknown.status, unknown.json]).toEqual([
    404,
    { message: "runner could not be provided: unknown execution environment" },
  ]);
  expect((await me.body("POST", "/runners", { inactivityTimeout: -1 })).status).toBe(400);
  expect((await me.body("POST", "/runners", "")).json).toEqual({ message: "EOF" });
});

test.each(["no/such-image:1", "", "::no name::"])(
  "the image %j is not onboard: none at once, with the reason",
  async (image) => {
    const id = await environment({ image });
    await expect
      .poll(async () => (await me.body("POST", "/runners", { executionEnvironmentId: id })).json, {
        timeout: 60_000,
      })
      .toEqual({
        message: expect.stringMatching(/^no runners available for this execution environment: ./),
        errorCode: "NOMAD_OVERLOAD",
      });
  },
);

test("a runner is one user's alone; deleted it is gone on every route", async () => {
  const id = await environment();
  const path = await runner(id);
  expect(path).toMatch(new RegExp(`^/runners/${id}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`));
  const ask = async (who: typeof me) => {
    for (const [method, rest] of ROUTES) {
      const init = method === "GET" ? {} : { body: "nonsense" };
      const { status, json } = await who.send(method, path + rest, init);
      expect([method, rest, status, json]).toEqual([method, rest, 410, GONE]);
    }
  };
  await ask(other);
  const running = me.connect(await me.execute(path, { command: "echo up; sleep 600" }));
  // the program runs: the first message comes before that
  await running.until(({ messages }) => messages.length > 1);
  expect(await me.delete(path)).toMatchObject({ status: 204, text: "" });
  await running.closed;
  expect(running.end).toEqual({ type: "error", data: "the allocation stopped as expected" });
  expect(await running.closed).toEqual({ code: 1000, reason: "" });
  await ask(me);
});

test("replacing an environment ends its runners; the pool is filled anew", async () => {
  const id = await environment();
  const path = await runner(id);
  const running = me.connect(await me.execute(path, { command: "echo up; sleep 600" }));
  // the program runs: the first message comes before that
  await running.until(({ messages }) => messages.length > 1);
  const body = (await me.get(`/execution-environments/${id}`)).json;
  expect((await me.body("PUT", `/execution-environments/${id}`, body)).status).toBe(204);
  expect(await me.get(`${path}/files`)).toMatchObject({ status: 410, json: GONE });
  expect(await running.closed).toEqual({ code: 1000, reason: "" });
  expect(running.end).toEqual({ type: "error", data: "the allocation stopped as expected" });
  const next = await runner(id);
  expect(next).not.toBe(path);
  expect((await me.run(next, "true")).end).toEqual({ type: "exit", data: 0 });
  expect((await me.delete(`/execution-environments/${id}`)).status).toBe(204);
  expect((await me.get(`${next}/files`)).status).toBe(410);
});

test("a pool of none starts a runner when one is asked for", async () => {
  const path = await runner(await environment({ prewarmingPoolSize: 0 }));
  expect((await me.run(path, "echo hi")).text("stdout")).toBe("hi\r\n");
});

test("an idle runner ends after its inactivity, whatever runs in it", async () => {
  const path = await runner(await environment(), { inactivityTimeout: 2 });
  const execution = await me.run(path, "sleep 600");
  expect(execution.end).toEqual({ type: "timeout" });
  await expect.poll(async () => (await me.get(`${path}/files`)).status, { timeout: 60_000 }).toBe(410);
});

test.each([
  ["list", (path: string) => me.get(`${path}/files`).then(({ status }) => status === 200)],
  ["patch", (path: string) => me.patch(path, { a: "b" }).then(({ status }) => status === 204)],
  [
    "raw",
    (path: string) => me.get(`${path}/files/raw?path=/etc/passwd`).then(({ status }) => status === 200),
  ],
] as const)("inactivity begins anew with a %s", async (_, act) => {
  const id = await environment();
  // on a machine that does much else what begins it anew may come too late, and is tried with more time
  for (let seconds = 3; ; seconds *= 2) {
    const path = await runner(id, { inactivityTimeout: seconds });
    const execution = me.connect(await me.execute(path, { command: "echo up; sleep 600" }));
    const timedOut = execution.closed.then(() => performance.now());
    // the connect began it too: by now half of that is over
    await new Promise((resolve) => setTimeout(resolve, seconds * 500));
    const began = performance.now();
    const done = await act(path);
    const ended = await timedOut;
    if (!done && seconds < 60) continue;
    expect([done, execution.end]).toEqual([true, { type: "timeout" }]);
    expect(ended - began).toBeGreaterThanOrEqual(seconds * 1000 - 1);
    return;
  }
});

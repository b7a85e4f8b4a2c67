import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";

const NOW = Date.parse("2026-05-22T20:00:00Z");
const PATH = "/edges/em1/windows";

let world: World;
let alice: UserClient;
beforeEach(async () => {
  world = await makeWorld({ now: () => NOW });
  alice = await world.user("alice");
});
afterEach(() => world.close());

const window = {
  start: "2026-05-22T20:41:00Z",
  end: "2026-05-22T20:50:00Z",
  station: "Svalbard",
  uplink_bps: null,
  downlink_bps: 256000,
};
const put = (body: unknown, user = alice, path = PATH) =>
  user.fetch(path, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
const told = async (answer: Response) => [answer.status, await answer.json()];
const shown = async () => ((await (await alice.fetch(PATH)).json()) as { data: unknown }).data;

test("an operator replaces a plan as it is shown; a revision that is not the plan's is refused", async () => {
  await world.ground.accounts.setOperator("alice", true);
  expect(await shown()).toEqual({ edge: "em1", revision: 0, windows: [] });
  const over = { ...window, start: "2026-05-22T19:00:00Z", end: "2026-05-22T19:10:00Z" };
  const first = await put({ windows: [window, window, over], revision: 0 });
  const plan = { edge: "em1", revision: 1, windows: [window] };
  expect(await told(first)).toMatchObject([200, { data: plan }]);
  expect(await shown()).toEqual(plan);

  const late = await told(await put({ windows: [], revision: 0 }));
  expect(late).toMatchObject([409, { error: "PLAN_CHANGED", revision: 1 }]);
  expect(await shown()).toEqual(plan);
  // a bare list, and what is shown is what is taken
  expect(await told(await put([]))).toMatchObject([200, { data: { revision: 2, windows: [] } }]);
  expect(await told(await put({ ...plan, revision: 2 }))).toMatchObject([200, { data: { revision: 3 } }]);
});

describe("who may not", () => {
  test.each(["em2", "none", "%2e%2e", "em1%00", "EM1"])(
    "an edge that is not granted is not there: %s",
    async (edge) => {
      if (edge === "em2") await world.ground.accounts.addEdge("em2");
      await world.ground.accounts.setOperator("alice", true);
      for (const answer of [
        await put([window], alice, `/edges/${edge}/windows`),
        await alice.fetch(`/edges/${edge}/windows`),
      ]) {
        expect(answer.status).toBe(404);
      }
    },
  );

  test("a user is no operator, nor again, and nobody is without a token", async () => {
    const refused = [403, { error: "OPERATOR_ONLY" }];
    expect(await told(await put([window]))).toMatchObject(refused);
    await world.ground.accounts.setOperator("alice", true);
    await world.ground.accounts.setOperator("alice", false);
    expect(await told(await put("not looked at"))).toMatchObject(refused);
    const bare = await world.ground.app.request(PATH, { method: "PUT", body: "[]" });
    expect(bare.status).toBe(401);
    expect(await shown()).toMatchObject({ revision: 0 });
  });

  test("a name that is made again is no operator", async () => {
    await world.ground.accounts.setOperator("alice", true);
    await world.ground.accounts.removeUser("alice");
    const again = await world.user("alice");
    expect((await put([window], again)).status).toBe(403);
  });
});

test("what breaks a rule is refused whole, by the window and the field", async () => {
  await world.ground.accounts.setOperator("alice", true);
  await put([window]);
  const cases: [body: unknown, message: string][] = [
    [{}, "windows: must be a list of windows"],
    ["null", "windows: must be a list of windows"],
    [{ windows: { length: 1 } }, "windows: must be a list of windows"],
    [[window, null], "windows.1: must be an object"],
    [[window, { ...window, end: window.start }], "windows.1.end: must be after start"],
    [[{ ...window, start: "2026-05-22T20:41:00" }], "windows.0.start: must be a time with its zone"],
    [[{ ...window, start: 5 }], "windows.0.start: must be a time with its zone"],
    [[{ ...window, downlink_bps: -1 }], "windows.0.downlink_bps: must be a rate"],
    [[{ ...window, downlink_bps: { toString: 1 } }], "windows.0.downlink_bps: must be a rate"],
    [[{ ...window, station: "a\u0000b" }], "windows.0.station: must be a name"],
    [[{ ...window, more: 1 }], "windows.0.more: no such field"],
    ['[{"__proto__": {"start": 1}}]', "windows.0.__proto__: no such field"],
    [Array(LIMITS.windows + 1).fill(window), `windows: must be at most ${LIMITS.windows}`],
    [{ windows: [], revision: "1" }, "revision: must be a whole number"],
    [{ windows: [], revision: 1.5 }, "revision: must be a whole number"],
    ["[", "JSON"],
  ];
  for (const [body, message] of cases) {
    const [status, answer] = await told(await put(body));
    expect([status, answer]).toMatchObject([
      400,
      { error: "INVALID_PARAMETERS", message: expect.stringContaining(message) },
    ]);
  }
  expect((await put(" ".repeat(LIMITS.bodyBytes + 1))).status).toBe(413);
  expect((await alice.fetch(PATH, { method: "PUT", body: "[]" })).status).toBe(415);
  expect((await alice.fetch(PATH, { method: "DELETE" })).headers.get("allow")).toBe("GET, PUT");
  expect(await shown()).toMatchObject({ revision: 1 });
});

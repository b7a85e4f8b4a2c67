import { expect, test } from "vitest";
import { startPoseidonGround } from "./support/poseidon-ground.ts";

const LIST = "/execution-environments";
const FULL = {
  image: "co/python:latest",
  prewarmingPoolSize: 2,
  cpuLimit: 20.5,
  memoryLimit: 256,
  networkAccess: true,
  exposedPorts: [80, 443],
};

test("environments come back as they were put, with the page's keys and no others, by id", async () => {
  const { client, pools } = await startPoseidonGround();
  const me = await client();
  expect((await me.get("/statistics/execution-environments")).text).toBe("{}");
  expect((await me.put(`${LIST}/10`, { ...FULL, id: 99, more: 1 })).status).toBe(201);
  expect((await me.put(`${LIST}/9`, { ...FULL, exposedPorts: null, networkAccess: null })).status).toBe(201);
  expect((await me.put(`${LIST}/010`, { ...FULL, cpuLimit: 0, exposedPorts: [null] })).status).toBe(204);
  const [nine, ten] = [
    { id: 9, ...FULL, exposedPorts: null, networkAccess: false },
    { id: 10, ...FULL, cpuLimit: 0, exposedPorts: [] },
  ];
  const list = await me.get(LIST);
  expect(list.text).toBe(JSON.stringify({ executionEnvironments: [nine, ten] }));
  expect(list.headers.get("content-type")).toBe("application/json");
  expect((await me.get(`${LIST}/9`)).text).toBe(JSON.stringify(nine));
  expect((await me.get("/statistics/execution-environments")).json).toEqual({
    9: { id: 9, prewarmingPoolSize: 2, idleRunners: 2, usedRunners: 0 },
    10: { id: 10, prewarmingPoolSize: 2, idleRunners: 2, usedRunners: 0 },
  });
  expect((await me.delete(`${LIST}/9`)).status).toBe(204);
  expect(Object.keys((await me.get("/statistics/execution-environments")).json as object)).toEqual(["10"]);
  const again = await me.delete(`${LIST}/9`);
  expect([again.status, again.text]).toEqual([404, ""]);
  const missing = await me.get(`${LIST}/9`);
  expect([missing.status, missing.text]).toEqual([404, ""]);
  pools.full = true;
  expect(await me.put(`${LIST}/9`, "{}")).toMatchObject({
    status: 500,
    json: { errorCode: "NOMAD_OVERLOAD" },
  });
});

test("a user has as many environments as the operator lets one have", async () => {
  const settings = { PERIGEE_POSEIDON_ENVIRONMENTS_PER_USER: "2" };
  const { client } = await startPoseidonGround({ settings });
  const [ada, bob] = [await client("ada"), await client("bob")];
  for (const id of [1, 2]) expect((await ada.put(`${LIST}/${id}`, "{}")).status).toBe(201);
  const over = await ada.put(`${LIST}/3`, "{}");
  expect([over.status, over.json]).toEqual([
    500,
    { message: "you have as many execution environments as a user may", errorCode: "NOMAD_OVERLOAD" },
  ]);
  expect((await ada.put(`${LIST}/2`, "{}")).status).toBe(204);
  expect((await bob.put(`${LIST}/3`, "{}")).status).toBe(201);
});

test("fetch is a boolean as Go reads it, and asks the edge", async () => {
  const { client, pools } = await startPoseidonGround();
  const me = await client();
  await me.put(`${LIST}/0`, "{}");
  for (const value of ["1", "t", "T", "true", "TRUE", "True"]) {
    expect((await me.get(`${LIST}?fetch=${value}`)).status).toBe(200);
    expect((await me.get(`${LIST}/0?fetch=${value}`)).status).toBe(200);
  }
  expect(pools.compared).toEqual(Array(12).fill(5000));
  for (const value of ["0", "f", "F", "false", "FALSE", "False", ""]) {
    expect((await me.get(`${LIST}?fetch=${value}`)).status).toBe(200);
  }
  expect(pools.compared).toHaveLength(12);
  for (const value of ["yes", "tRUE", "2", "on"]) {
    for (const path of [LIST, `${LIST}/0`]) {
      const { status, json } = await me.get(`${path}?fetch=${value}`);
      expect([value, status, json]).toEqual([value, 400, { message: expect.stringContaining("fetch") }]);
    }
  }
});

test("a runner is handed out with its ports, once deleted it is gone for good", async () => {
  const { client, pools } = await startPoseidonGround();
  const me = await client();
  await me.put(`${LIST}/7`, "{}");
  pools.mappedPorts = [{ exposedPort: 80, hostAddress: "10.0.0.1:23832" }];
  const { json } = await me.post("/runners", { executionEnvironmentId: 7, inactivityTimeout: 60 });
  expect(json).toEqual({
    runnerId: expect.stringMatching(/^7-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    mappedPorts: pools.mappedPorts,
  });
  expect(pools.handOuts.at(-1)).toMatchObject({ inactivityMs: 60_000 });
  const path = `/runners/${(json as { runnerId: string }).runnerId}`;
  const deleted = await me.send("DELETE", path, { body: '{"a":1}' });
  expect([deleted.status, deleted.text]).toEqual([204, ""]);
  for (const gone of [path, "/runners/none", "/runners/7-x%2F.."]) {
    const { status, json } = await me.delete(gone);
    expect([gone, status, json]).toEqual([gone, 410, { message: "no runner found with this id" }]);
  }
});

test("why there is no runner, in the contract's words", async () => {
  const { client, pools } = await startPoseidonGround();
  const me = await client();
  const unknown = await me.post("/runners", { executionEnvironmentId: 5 });
  expect([unknown.status, unknown.json]).toEqual([
    404,
    { message: "runner could not be provided: unknown execution environment" },
  ]);
  for (const [refusal, json] of [
    [
      { refused: "empty" },
      { message: "no runners available for this execution environment", errorCode: "NOMAD_OVERLOAD" },
    ],
    [
      { refused: "empty", reason: "there is no image x" },
      {
        message: "no runners available for this execution environment: there is no image x",
        errorCode: "NOMAD_OVERLOAD",
      },
    ],
    [{ refused: "unreachable" }, { message: expect.any(String), errorCode: "NOMAD_UNREACHABLE" }],
    [{ refused: "unsupported" }, { message: expect.any(String), errorCode: "NOMAD_INTERNAL_SERVER_ERROR" }],
  ] as const) {
    pools.refusal = refusal;
    expect(await me.post("/runners", "{}")).toMatchObject({ status: 500, json });
  }
  for (const body of [
    '{"inactivityTimeout":-1}',
    '{"executionEnvironmentId":1.5}',
    '{"executionEnvironmentId":1e16}',
  ]) {
    expect((await me.post("/runners", body)).status).toBe(400);
  }
});

test("Prefer: wait waits at most a minute; 0 and absent timeouts are none", async () => {
  const { client, pools } = await startPoseidonGround();
  const me = await client();
  await me.put(`${LIST}/0`, "{}");
  for (const [prefer, waitMs] of [
    ["wait=5", 5_000],
    ["wait=1000", 60_000],
    ["respond-async", undefined],
  ] as const) {
    const headers = { prefer };
    await me.send("POST", "/runners", { body: '{"inactivityTimeout":0}', headers });
    expect(pools.handOuts.at(-1)).toMatchObject({ signal: expect.any(AbortSignal) });
    expect([pools.handOuts.at(-1)?.waitMs, pools.handOuts.at(-1)?.inactivityMs]).toEqual([waitMs, undefined]);
  }
});

test("what is gone is told after the body was taken and before it is looked at", async () => {
  const { client } = await startPoseidonGround();
  const me = await client();
  for (const [method, rest] of [
    ["PATCH", "/files"],
    ["POST", "/execute"],
    ["DELETE", ""],
  ] as const) {
    const body = `nonsense ${"x".repeat(500_000)}`;
    expect(await me.send(method, `/runners/none${rest}`, { body })).toMatchObject({ status: 410 });
  }
  expect((await me.get("/runners/none/files/raw")).status).toBe(410);
});

test("a pool that depletes is an alarm, and names ids only to whom they belong", async () => {
  const { client, pools, base } = await startPoseidonGround({
    settings: { PERIGEE_POSEIDON_POOL_THRESHOLD: "0.5" },
  });
  const [ada, bob] = [await client("ada"), await client("bob")];
  const health = async (of?: { get: typeof ada.get }) => {
    const answer = of ? await of.get("/health") : await fetch(`${base}/health`);
    return answer.status === 204
      ? 204
      : "json" in answer && typeof answer.json === "object"
        ? answer.json
        : undefined;
  };
  expect(await health(ada)).toBe(204);
  const of = (user: string, id: number) => ({ owner: { user, edge: "em1" }, id });
  pools.low = [of("ada", 10), of("ada", 9), of("bob", 4)];
  const answer = (text: string) => ({ message: text, errorCode: "PREWARMING_POOL_DEPLETING" });
  expect(await health(ada)).toEqual(answer("the prewarming pool is depleting: environments 9, 10"));
  expect(await health(bob)).toEqual(answer("the prewarming pool is depleting: environments 4"));
  const nobody = await fetch(`${base}/health`);
  expect([nobody.status, await nobody.json()]).toEqual([503, answer("the prewarming pool is depleting")]);
  pools.low = [of("ada", 3)];
  expect(await (await fetch(`${base}/health`)).json()).toEqual(
    answer("the prewarming pool is depleting: environments 3"),
  );
  // of one whose pools are all of size 0, or full
  pools.owners = ["bob"];
  expect(await (await fetch(`${base}/health`)).json()).toEqual(answer("the prewarming pool is depleting"));
});

test("in open mode the alarm names the ids of its user; unless a threshold is set nothing is one", async () => {
  const settings = { PERIGEE_POSEIDON_POOL_THRESHOLD: "0.5", PERIGEE_POSEIDON_OPEN_USER: "ada" };
  const [open, without] = [await startPoseidonGround({ settings }), await startPoseidonGround()];
  await open.ground.accounts.addUser("ada", "long enough");
  const low = ["ada", "bob"].map((user) => ({ owner: { user, edge: "em1" }, id: 7 }));
  for (const { pools } of [open, without]) pools.low = [...low];
  const answer = await fetch(`${open.base}/health`);
  expect([answer.status, await answer.json()]).toEqual([
    503,
    {
      message: "the prewarming pool is depleting: environments 7",
      errorCode: "PREWARMING_POOL_DEPLETING",
    },
  ]);
  expect((await fetch(`${without.base}/health`)).status).toBe(204);
});

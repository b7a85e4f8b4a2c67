import { expect, test } from "vitest";
import { clientOf, startPoseidonGround } from "./support/poseidon-ground.ts";

const LIST = "/execution-environments";

test("without a valid token every route is an empty 401, but health and version", async () => {
  const { base, token, tokens } = await startPoseidonGround({ settings: { PERIGEE_RELEASE: "v7" } });
  const known = await token("ada");
  const id = "/runners/0-00000000-0000-4000-8000-000000000000";
  for (const given of [undefined, "", "wrong", `${known}x`, `pgp_${"A".repeat(43)}`, known.toUpperCase()]) {
    for (const [method, path] of [
      ["GET", LIST],
      ["GET", `${LIST}/1`],
      ["PUT", `${LIST}/1`],
      ["DELETE", `${LIST}/1`],
      ["GET", "/statistics/execution-environments"],
      ["POST", "/runners"],
      ["DELETE", id],
      ["GET", `${id}/files`],
      ["PATCH", `${id}/files`],
      ["GET", `${id}/files/raw`],
      ["POST", `${id}/execute`],
      ["GET", `${id}/websocket`],
    ] as const) {
      const { status, text, headers } = await clientOf(base, given).send(method, path);
      expect([method, path, status, text, headers.get("content-length")]).toEqual([
        method,
        path,
        401,
        "",
        "0",
      ]);
    }
  }
  expect((await clientOf(base).get("/health")).status).toBe(204);
  expect((await clientOf(base).get("/version")).json).toBe("v7");
  expect((await clientOf(base, known).get(LIST)).status).toBe(200);
  await tokens.remove("ada-any");
  expect((await clientOf(base, known).get(LIST)).status).toBe(401);
});

test("the store holds the hash of a token and not the token, and no log does", async () => {
  const { token, ground, lines, base } = await startPoseidonGround();
  const text = await token("ada");
  await clientOf(base, text).get(LIST);
  const items = await ground.store.query({ pk: "poseidon#tokens", limit: 10 });
  expect(items).toHaveLength(1);
  expect(JSON.stringify(items)).not.toContain(text.slice(4));
  expect(lines.join("")).not.toContain(text.slice(4));
});

test("a name is given once, removed once, and free again", async () => {
  const { token, tokens } = await startPoseidonGround();
  await token("ada");
  await expect(token("ada")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  expect((await tokens.list()).map(({ name, user }) => [name, user])).toEqual([["ada-any", "ada"]]);
  expect(await tokens.remove("ada-any")).toBe(true);
  expect(await tokens.remove("ada-any")).toBe(false);
  await token("ada");
});

test("a user whose name another had finds nothing of theirs, and its new token works at once", async () => {
  const { token, ground, base, pools } = await startPoseidonGround();
  const first = await token("ada");
  expect((await clientOf(base, first).get(LIST)).status).toBe(200);
  await ground.accounts.removeUser("ada");
  const { createdAt } = await ground.accounts.addUser("ada", "long enough");
  const second = await token("ada", "em1");
  expect((await clientOf(base, second).get(LIST)).status).toBe(200);
  expect((await clientOf(base, second).get(LIST)).status).toBe(200);
  expect((await clientOf(base, first).get(LIST)).status).toBe(401);
  expect(pools.removals.slice(1)).toEqual([["ada", undefined, createdAt]]);
});

test("a user whose name another had reaches no runner of theirs, though it is still known", async () => {
  const { token, ground, base, client } = await startPoseidonGround();
  const first = await client("ada");
  const path = await first.runner();
  const { json } = await first.post(`${path}/execute`, "{}");
  const { search } = new URL((json as { websocketUrl: string }).websocketUrl);
  await ground.accounts.removeUser("ada");
  const then = Date.now();
  // a millisecond may hold both
  await expect.poll(() => Date.now()).toBeGreaterThan(then);
  await ground.accounts.addUser("ada", "long enough");
  const second = clientOf(base, await token("ada", "em1"));
  for (const [method, rest] of [
    ["GET", `/websocket${search}`],
    ["GET", "/files"],
    ["POST", "/execute"],
    ["DELETE", ""],
  ] as const) {
    expect([
      rest,
      (await second.send(method, path + rest, method === "POST" ? { body: "{}" } : {})).status,
    ]).toEqual([rest, 410]);
  }
});

test("users see only their own: environments of one id, runners, executions", async () => {
  const { client } = await startPoseidonGround();
  const [ada, bob] = [await client("ada"), await client("bob")];
  const path = await ada.runner();
  expect((await bob.get(`${LIST}/0`)).status).toBe(404);
  expect((await bob.get(LIST)).json).toEqual({ executionEnvironments: [] });
  expect((await bob.put(`${LIST}/0`, '{"image":"bobs"}')).status).toBe(201);
  expect((await ada.get(`${LIST}/0`)).json).toMatchObject({ image: "" });
  for (const [method, rest, body] of [
    ["DELETE", "", undefined],
    ["GET", "/files", undefined],
    ["PATCH", "/files", "{}"],
    ["GET", "/files/raw?path=x", undefined],
    ["POST", "/execute", '{"command":"true"}'],
    ["GET", "/websocket?executionID=x", undefined],
  ] as const) {
    const { status, json } = await bob.send(method, path + rest, { ...(body && { body }) });
    expect([method, rest, status, json]).toEqual([
      method,
      rest,
      410,
      { message: "no runner found with this id" },
    ]);
  }
  expect((await ada.post(`${path}/execute`, '{"command":"true"}')).status).toBe(200);
});

test("the edge: the header's when granted, else the token's, else the default, else the only one; none is 500", async () => {
  const { client, ground, base } = await startPoseidonGround();
  const { accounts } = ground;
  const any = await client("ada");
  await any.put(`${LIST}/1`, "{}");
  await accounts.addEdge("em2");
  await accounts.grant("em2", "ada");
  const at = async (of: ReturnType<typeof clientOf>, header?: string) => {
    const answer = await of.get(LIST, { headers: header ? { "Perigee-Edge": header } : {} });
    if (answer.status !== 200) return [answer.status, (answer.json as { errorCode: string }).errorCode];
    return (answer.json as { executionEnvironments: { id: number }[] }).executionEnvironments.map(
      ({ id }) => id,
    );
  };
  const tied = await client("ada", "em2");
  await tied.put(`${LIST}/2`, "{}");
  expect(await at(any)).toEqual([500, "UNKNOWN"]);
  expect(await at(any, "em1")).toEqual([1]);
  expect(await at(tied)).toEqual([2]);
  expect(await at(tied, "em1")).toEqual([1]);
  expect(await at(tied, "em9")).toEqual([2]);
  await accounts.setDefaultEdge("ada", "em1");
  expect(await at(any)).toEqual([1]);
  await accounts.revoke("em2", "ada");
  expect((await tied.get(LIST)).status).toBe(401);
  await accounts.revoke("em1", "ada");
  expect(await at(any)).toEqual([500, "UNKNOWN"]);
  await accounts.removeUser("ada");
  expect((await any.get(LIST)).status).toBe(401);
  expect((await clientOf(base).get("/health")).status).toBe(204);
});

test("tokens go with their user, or with the grant of the edge that they name", async () => {
  const { token, tokens, ground } = await startPoseidonGround();
  await token("ada");
  await ground.accounts.addEdge("em2");
  await ground.accounts.grant("em2", "ada");
  await token("ada", "em2");
  await token("bob");
  const names = async () => (await tokens.list()).map(({ name }) => name);
  await ground.accounts.revoke("em2", "ada");
  await ground.janitor.round();
  expect(await names()).toEqual(["ada-any", "bob-any"]);
  await ground.accounts.removeUser("ada");
  await ground.janitor.round();
  expect(await names()).toEqual(["bob-any"]);
});

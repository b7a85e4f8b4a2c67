import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";

const NOW = Date.parse("2026-05-22T20:00:00Z");

let world: World;
/** a user of em1, and an operator to whom no edge is granted */
let alice: UserClient;
let olga: UserClient;
beforeEach(async () => {
  world = await makeWorld({ now: () => NOW });
  await world.addEdge("em2");
  alice = await world.user("alice", ["em1"]);
  olga = await world.user("olga", []);
  await world.ground.accounts.setOperator("olga", true);
});
afterEach(() => world.close());

const READS = ["/operator/edges", "/operator/edges/em1/queues", "/operator/audit"];
const VERBS = ["/operator/edges/em1/hold", "/operator/edges/em1/release"];

async function told(answer: Promise<Response>) {
  const { status, body } = await answer.then(async (one) => ({ status: one.status, body: await one.json() }));
  return { status, ...(body as { data: never; error?: string; next?: string }) };
}
const ask = (path: string, user = olga) => told(user.fetch(path));
const act = (path: string, body?: unknown, user = olga) =>
  told(
    user.fetch(path, {
      method: "POST",
      ...(body !== undefined && {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    }),
  );
const queueOne = () =>
  alice.fetch("/em/files/downlink?pod_name=private-pod&filepath=private-path", {
    headers: { prefer: "respond-async" },
  });

describe("who is no operator", () => {
  test("gets nothing of it, also not when the flag was taken away, and is not told that there is more", async () => {
    for (const path of READS)
      expect(await ask(path, alice)).toMatchObject({ status: 403, error: "OPERATOR_ONLY" });
    for (const path of VERBS) expect(await act(path, {}, alice)).toMatchObject({ status: 403 });
    expect(await ask("/edges", alice)).not.toHaveProperty("operator");
    expect(await ask("/edges")).toMatchObject({ operator: true, data: [] });
    await world.ground.accounts.setOperator("olga", false);
    for (const path of READS) expect(await ask(path)).toMatchObject({ status: 403 });
    expect((await world.ground.ledger.lane("em1")).held).toBeUndefined();
  });

  test("needs a token", async () => {
    for (const path of READS) expect((await fetch(world.url + path)).status).toBe(401);
  });
});

test("an operator sees every edge and who waits there, and nothing of what is in the commands", async () => {
  expect((await queueOne()).status).toBe(202);
  const edges = await ask("/operator/edges");
  expect(edges.data).toMatchObject([
    { edge: "em1", held_since: null, agent: null, contact: { state: "never" } },
    { edge: "em2" },
  ]);
  const queues = await ask("/operator/edges/em1/queues");
  expect(queues.data).toMatchObject([
    { lane: "em", user: "alice", operation: "volume.read", state: "queued", held: false },
  ]);
  const texts = [JSON.stringify(edges), JSON.stringify(queues)].join();
  expect(texts).not.toContain("private");
  expect(await ask("/operator/edges/em2/queues")).toMatchObject({ data: [] });
  // being an operator opens nobody's commands
  const [{ command_id: id }] = queues.data as [{ command_id: string }];
  expect((await ask(`/commands/${id}`)).status).toBe(404);
  expect((await ask(`/commands/${id}/content`)).status).toBe(404);
});

test("holds and releases an edge or a lane, and each is in the audit", async () => {
  expect(await act("/operator/edges/em1/hold")).toMatchObject({
    status: 200,
    data: { held_since: "2026-05-22T20:00:00.000Z" },
  });
  // what changes nothing is not noted
  expect(await act("/operator/edges/em1/hold")).toMatchObject({ status: 200 });
  await queueOne();
  expect(await ask("/edge", alice)).toMatchObject({ data: { held: { since: "2026-05-22T20:00:00.000Z" } } });
  expect((await act("/operator/edges/em1/release", {})).data).toMatchObject({ held_since: null });
  expect((await act("/operator/edges/em2/hold", { lane: "em" })).data).toMatchObject({
    held_since: null,
    lanes: expect.arrayContaining([expect.objectContaining({ name: "em", held_since: expect.any(String) })]),
  });
  expect(await act("/operator/edges/em2/hold", { lane: "em" })).toMatchObject({ status: 200 });
  expect(await act("/operator/edges/em2/hold", { lane: "none" })).toMatchObject({ status: 400 });
  expect(await act("/operator/edges/em2/hold", [])).toMatchObject({ status: 400 });
  expect(await act("/operator/edges/em3/hold")).toMatchObject({ status: 404, error: "EDGE_NOT_FOUND" });

  const audit = await ask("/operator/audit");
  const of = { who: "olga", by: "http", at: "2026-05-22T20:00:00.000Z" };
  expect(audit.data).toEqual([
    { n: 2, ...of, verb: "edge hold", about: ["em2", "lane em"] },
    { n: 1, ...of, verb: "edge release", about: ["em1"] },
    { n: 0, ...of, verb: "edge hold", about: ["em1"] },
  ]);
  const first = await ask("/operator/audit?limit=2");
  expect([first.next, (await ask(`/operator/audit?limit=2&before=${first.next}`)).data]).toEqual([
    "1",
    [audit.data[2]],
  ]);
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";

let world: World;
let alice: UserClient;
beforeEach(async () => {
  world = await makeWorld();
  alice = await world.user("alice");
});
afterEach(() => world.close());

type View = { command_id: string; state: string; priority: number; position?: number; held?: string };
const view = async (answer: Response) => ((await answer.json()) as { data: View }).data;
const queued = async (user: UserClient, priority?: string) =>
  user.fetch("/em/nodes/status", {
    headers: { prefer: "respond-async", ...(priority !== undefined && { "perigee-priority": priority }) },
  });
const shown = async ({ command_id }: View) => view(await alice.fetch(`/commands/${command_id}`));
const post = (path: string, user = alice) => user.fetch(path, { method: "POST" });
const edge = async () =>
  ((await (await alice.fetch("/edge")).json()) as { data: Record<string, unknown> }).data;
const agent = (order: string[] = []) =>
  world.agent({
    async "nodes.status"({ command }) {
      order.push(command.id);
      return { nodes: [] };
    },
  });
const done = (command: View) =>
  expect.poll(async () => (await shown(command)).state, { timeout: 90_000 }).toBe("succeeded");

test("the edge gets the highest priority first; uplinks have one, too", async () => {
  const [usual, low, high] = [
    await view(await queued(alice)),
    await view(await queued(alice, "0")),
    await view(await queued(alice, "9")),
  ];
  expect([await shown(high), await shown(usual), await shown(low)]).toMatchObject([
    { priority: 9, position: 1 },
    { priority: 5, position: 2 },
    { priority: 0, position: 3 },
  ]);
  const form = new FormData();
  form.append("files", new Blob(["x"]), "a");
  const headers = { prefer: "respond-async", "perigee-priority": "8" };
  const uplink = await view(await alice.fetch("/em/files/uplink", { method: "POST", headers, body: form }));
  expect(await shown(uplink)).toMatchObject({ priority: 8, position: 2 });
  await post(`/commands/${uplink.command_id}/cancel`);

  const order: string[] = [];
  await agent(order);
  await done(low);
  expect(order).toEqual([high, usual, low].map(({ command_id }) => command_id));
});

test("a priority that is none, or not the user's, is refused, and nothing is queued", async () => {
  await world.ground.accounts.setPriority("alice", { least: 1, most: 3 });
  for (const priority of ["ten", "10", "-1", "0", "4", "9"]) {
    const refused = await queued(alice, priority);
    expect([refused.status, await refused.json()]).toMatchObject([400, { error: "INVALID_PARAMETERS" }]);
  }
  expect(await (await alice.fetch("/commands")).json()).toMatchObject({ data: [] });
  expect(await shown(await view(await queued(alice)))).toMatchObject({ priority: 3 });
});

describe("a command that its user holds", () => {
  test("is shown so everywhere, and runs once it is released", async () => {
    const [first, second] = [await view(await queued(alice)), await view(await queued(alice))];
    const held = await post(`/commands/${first.command_id}/hold`);
    expect([held.status, await view(held)]).toMatchObject([200, { state: "queued", held: "user" }]);
    expect(await shown(first)).not.toHaveProperty("position");
    const { data } = (await (await alice.fetch("/commands")).json()) as { data: View[] };
    expect(data.map((one) => one.held)).toEqual([undefined, "user"]);
    expect((await edge()).lanes).toContainEqual(expect.objectContaining({ name: "em", queued: 2, held: 1 }));

    await agent();
    await done(second);
    expect(await shown(first)).toMatchObject({ state: "queued", held: "user" });
    expect((await post(`/commands/${first.command_id}/release`)).status).toBe(200);
    await done(first);
    const late = await post(`/commands/${first.command_id}/hold`);
    expect([late.status, await late.json()]).toMatchObject([409, { error: "NOT_HOLDABLE" }]);
  });

  test("is another user's business in no way", async () => {
    const bob = await world.user("bob");
    const mine = await view(await queued(alice));
    for (const verb of ["hold", "release"]) {
      const refused = await post(`/commands/${mine.command_id}/${verb}`, bob);
      expect([refused.status, await refused.json()]).toMatchObject([404, { error: "COMMAND_NOT_FOUND" }]);
      expect(
        (await world.ground.app.request(`/commands/${mine.command_id}/${verb}`, { method: "POST" })).status,
      ).toBe(401);
    }
  });
});

test("an edge that the operator holds takes commands, says so, and refuses who wants a place at once", async () => {
  await agent();
  expect((await alice.fetch("/em/nodes/status")).status).toBe(200);
  await world.ground.ledger.holdEdge({ edge: "em1", hold: true });
  const command = await view(await queued(alice));
  expect(await shown(command)).toMatchObject({ state: "queued", held: "edge", position: 1 });
  expect(await edge()).toMatchObject({ held: { since: expect.any(String) } });
  const busy = await alice.fetch("/em/nodes/status");
  expect([busy.status, await busy.json()]).toMatchObject([423, { error: "LOCKED", data: { held: true } }]);
  expect(busy.headers.get("retry-after")).toBe("2");
  await world.ground.ledger.holdEdge({ edge: "em1", hold: false });
  await done(command);
  expect(await edge()).toMatchObject({ held: null });
});

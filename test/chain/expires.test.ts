import { afterEach, beforeEach, expect, test } from "vitest";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";

let world: World;
let alice: UserClient;
let now: number;
beforeEach(async () => {
  now = Date.parse("2026-05-22T20:00:00Z");
  world = await makeWorld({ now: () => now });
  alice = await world.user("alice");
});
afterEach(() => world.close());

type View = { command_id: string; state: string; expires_at?: string };
const view = async (answer: Response) => ((await answer.json()) as { data: View }).data;
const shown = async ({ command_id }: View) => view(await alice.fetch(`/commands/${command_id}`));

test("commands of the EM and uplinks end as expired when no edge took them by Perigee-Expires", async () => {
  const queued = (expires: string) => ({ prefer: "respond-async", "perigee-expires": expires });
  const status = (expires: string) => alice.fetch("/em/nodes/status", { headers: queued(expires) });
  const form = new FormData();
  form.append("files", new Blob(["x"]), "a");
  const soon = await view(await status("10m"));
  const later = await view(await status("2026-05-22T20:30:00Z"));
  const uplink = await view(
    await alice.fetch("/em/files/uplink", { method: "POST", headers: queued("10m"), body: form }),
  );
  expect(await shown(soon)).toMatchObject({ state: "queued", expires_at: "2026-05-22T20:10:00.000Z" });

  now += 10 * 60_000;
  await world.agent({ "nodes.status": async () => ({ nodes: [] }) });
  await expect.poll(async () => (await shown(later)).state, { timeout: 90_000 }).toBe("succeeded");
  expect([(await shown(soon)).state, (await shown(uplink)).state]).toEqual(["expired", "expired"]);
});

test("a time that means nothing is refused, and nothing is queued", async () => {
  for (const [method, path] of [
    ["GET", "/em/nodes/status"],
    ["POST", "/uplinks"],
  ] as const) {
    const headers = { prefer: "respond-async", "perigee-expires": "soon" };
    const body = method === "POST" ? { body: "{}" } : {};
    const refused = await alice.fetch(path, { method, headers, ...body });
    expect([refused.status, await refused.json()]).toMatchObject([400, { error: "INVALID_PARAMETERS" }]);
  }
  expect(await (await alice.fetch("/commands")).json()).toMatchObject({ data: [] });
});

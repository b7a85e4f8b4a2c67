import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { Execution } from "#test/contract/poseidon/support/client.ts";
import { connectExec } from "./support/exec-client.ts";
import { makePoseidonWorld, type PoseidonWorld, WITH_RUNNERS } from "./support/poseidon-world.ts";

const MOST = LIVE_LIMITS.perRunner;
const OVER = 8;

let world: PoseidonWorld;
beforeEach(async () => {
  world = await makePoseidonWorld();
  await world.startAgent({ features: WITH_RUNNERS });
});
afterEach(() => world.close());

const noneOpen = () => expect.poll(() => world.ground.live.relay!.size, { timeout: 30_000 }).toBe(0);

test("connects over the bound at once use up no execution id", async () => {
  const me = await world.client("ada");
  const path = await world.handedOut(me, "ada");
  const command = "echo up; read -r line";
  const urls = await Promise.all(Array.from({ length: MOST + OVER }, () => me.execute(path, { command })));
  const connected = async (url: string): Promise<[string, Execution]> => {
    const one = me.connect(url);
    await Promise.race([one.until(() => one.text("stdout").includes("up")), one.closed]).catch(() => {});
    return [url, one];
  };
  const leave = async (all: [string, Execution][]) => {
    for (const [, { socket }] of all) socket.close();
    await Promise.all(all.map(([, { closed }]) => closed));
    await noneOpen();
  };
  const all = await Promise.all(urls.map(connected));
  const refused = all.filter(([, { refusal }]) => refusal);
  const overload = { status: 500, text: expect.stringContaining("NOMAD_OVERLOAD") };
  expect(refused.map(([, { refusal }]) => refusal)).toEqual(Array.from({ length: OVER }, () => overload));
  await leave(all);
  const again = await Promise.all(refused.map(([url]) => connected(url)));
  expect(again.map(([, one]) => [one.refusal, one.text("stdout")])).toEqual(
    again.map(() => [undefined, expect.stringContaining("up")]),
  );
  await leave(again);
});

test("upgrades over the bound at once use up no ticket", async () => {
  const bob = await world.user("bob");
  const path = await world.handedOut(await world.client("bob"), "bob");
  const permits = async (count: number) => {
    const body = JSON.stringify({ command: ["cat"] });
    const answers = Array.from({ length: count }, () => bob.fetch(`${path}/exec`, { method: "POST", body }));
    const urls = (await Promise.all(answers)).map((answer) => answer.json() as Promise<{ url: string }>);
    return (await Promise.all(urls)).map(({ url }) => url);
  };
  const begin = (urls: string[]) =>
    Promise.all(urls.map(async (url) => ({ url, client: await connectExec(url).catch(() => undefined) })));
  const leave = async (all: Awaited<ReturnType<typeof begin>>) => {
    for (const { client } of all) client?.ws.close();
    await Promise.all(all.map(({ client }) => client?.closed));
    await noneOpen();
  };
  const first = await begin(await permits(OVER));
  const all = await begin(await permits(MOST));
  const refused = all.filter(({ client }) => !client);
  expect(refused).toHaveLength(OVER);
  await leave([...first, ...all]);
  const again = await begin(refused.map(({ url }) => url));
  expect(again.filter(({ client }) => client)).toHaveLength(OVER);
  await leave(again);
});

test("who loses the race for an execution id does not put off the runner's inactivity, and takes no place", async () => {
  const me = await world.client("ada");
  const path = await world.handedOut(me, "ada", { inactivityTimeout: 60 });
  const { pools, live } = world.ground;
  const touched = vi.spyOn(pools, "touched");
  vi.spyOn(live.tickets, "use").mockResolvedValue(undefined);
  for (let n = 0; n <= MOST; n++) {
    const execution = me.connect(await me.execute(path, { command: "true" }));
    await execution.closed;
    expect(execution.refusal?.status).toBe(404);
  }
  expect(touched).not.toHaveBeenCalled();
});

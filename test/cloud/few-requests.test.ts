import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { StoredSocketsWanted } from "#lambdas/live/sockets-wanted.ts";
import { StoredRunnerPools } from "#lambdas/runners/stored-runner-pools.ts";
import { type CloudWorld, makeCloudWorld } from "./support/cloud-world.ts";

const LIVE_URL = "https://live.example";

let world: CloudWorld;
beforeEach(async () => {
  // The first look comes long after the answer is there: exactly one is needed.
  world = await makeCloudWorld(inject("awsEndpoint"), {
    waiting: { eager: { first: 4000 } },
    // what was read of an account is read again after this: not in the middle of a count
    recentAccountMs: 3600_000,
    // then claims tell of live sockets
    live: { url: LIVE_URL },
  });
});
afterEach(() => world.close());

/** docs/cost.md counts by these. A wait looks again every quarter of the time it took so far (Waiting). */
const AT_REST = [
  "agent ReceiveMessage",
  "user's ground BatchGetItem",
  "user's ground TransactWriteItems",
  "user's ground SendMessage",
  "agent DeleteMessage",
  "agent's ground BatchGetItem",
  "agent's ground TransactWriteItems",
  "agent's ground BatchGetItem",
  "agent's ground TransactWriteItems",
  "user's ground GetItem",
];
/** What a process that knows nothing yet reads beside: the user, and the user's edge. */
const AT_FIRST = ["user's ground GetItem", "user's ground Query"];
/** The agent's token was read when the agent started; a new process of its side reads it once more. */
const MOST = 12;
const LOOK = "user's ground GetItem";
/** Commands until one is looked at just once. */
const TRIES = 30;

const ENVIRONMENT = {
  id: 0,
  image: "python",
  prewarmingPoolSize: 1,
  cpuLimit: 0,
  memoryLimit: 0,
  networkAccess: false,
  exposedPorts: null,
};

/** A claim that tells of wanted pools and of live sockets costs no more. No ring: the commands' are counted. */
async function withPoolsAndSockets(): Promise<void> {
  const { store, ledger } = world.ground;
  const doorbell = { ring: async () => {} };
  const pools = new StoredRunnerPools({ store, doorbell, ledger, edges: async () => ["em1"], now: Date.now });
  await pools.put({ user: "alice", edge: "em1" }, ENVIRONMENT);
  await new StoredSocketsWanted(store, Date.now).want("em1", { sockets: 5, url: LIVE_URL }, 600_000);
}

/** `calls` with at most as many calls called `name` as `expected` has. */
function withoutFurther(name: string, calls: readonly string[], expected: readonly string[]): string[] {
  let left = expected.filter((call) => call === name).length;
  return calls.filter((call) => call !== name || left-- > 0);
}

test("a small command takes 10 AWS requests, all told; 12 where nothing is remembered of the accounts", async () => {
  await withPoolsAndSockets();
  await world.agent({ "nodes.status": async () => ({ nodes: [{ name: "mpu1", status: "True" }] }) });
  const alice = await world.user("alice");
  const count = (name: string) => world.calls.filter((call) => call === `agent ${name}`).length;
  const receives = () => count("ReceiveMessage");
  let commands = 0;
  const command = async () => {
    // The agent's long poll is under way: this one hears the ring, the next one belongs to the next command.
    await expect.poll(receives, { timeout: 90_000 }).toBe(++commands);
    const before = world.calls.length;
    const answer = await alice.fetch("/em/nodes/status");
    expect(answer.status).toBe(200);
    await answer.text();
    await expect.poll(receives, { timeout: 90_000 }).toBe(commands + 1);
    await expect.poll(() => count("DeleteMessage"), { timeout: 90_000 }).toBe(commands);
    const during = world.calls.slice(before);
    expect(during).toContain("agent ReceiveMessage");
    return during.sort();
  };
  const first = await command();
  let next = await command();
  // A look at the result that came too soon is one more: the ground learns how long commands take here.
  for (let more = 0; more < TRIES && next.length > AT_REST.length; more++) next = await command();
  expect(next).toEqual([...AT_REST].sort());
  const expected = [...AT_REST, ...AT_FIRST].sort();
  expect(withoutFurther(LOOK, first, expected)).toEqual(expected);
  expect(expected.length).toBeLessThanOrEqual(MOST);
});

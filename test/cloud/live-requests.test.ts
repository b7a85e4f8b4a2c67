import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { sharedRelay } from "#lambdas/live/open-relay.ts";
import { SessionNotes } from "#lambdas/live/records/session-notes.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { type ServedGround, serveGround } from "#lambdas/serve-ground.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { openLink } from "#test/live/support/link.ts";
import { type CloudWorld, makeCloudWorld } from "./support/cloud-world.ts";
import { type LiveAgent, startLiveAgent } from "./support/live-agent.ts";
import { openStore } from "./support/open-dynamo-store.ts";

const HOUR_MS = 3600_000;
/** Nothing but what was asked for makes requests. */
const QUIET = {
  relay: { tickMs: HOUR_MS, usersMs: Number.POSITIVE_INFINITY },
  place: { renewMs: HOUR_MS, takeOverMs: 2 * HOUR_MS },
};

let world: CloudWorld;
let link: Awaited<ReturnType<typeof openLink>>;
let served: ServedGround;
/** sees the table, and is not counted */
let store: DynamoStore;
let agent: LiveAgent;
let client: PoseidonClient;
beforeAll(async () => {
  const endpoint = inject("awsEndpoint");
  link = await openLink("http://127.0.0.1:9");
  world = await makeCloudWorld(endpoint, {
    // what is remembered of the accounts is not read again
    recentAccountMs: HOUR_MS,
    live: { url: link.url, relay: sharedRelay, tuning: QUIET },
    agentGround: { live: { url: link.url } },
  });
  store = await openStore(endpoint, world.table);
  served = await serveGround(world.ground, { host: "127.0.0.1", port: 0 });
  link.target = served.url;
  const { uid } = await world.ground.accounts.addUser("ada", "long enough");
  const token = await operatorTokens(store, "poseidon").add({ name: "ada", user: "ada", uid, createdAt: 0 });
  client = new PoseidonClient(`${served.url}/api/v1`, token);

  agent = await startLiveAgent({ url: world.agentUrl, token: world.agentToken });
});
afterAll(async () => {
  await agent?.close();
  link?.close();
  await served?.close(0);
  await store?.close();
  await world?.close();
});

/** The AWS requests that something makes, by name. */
async function requestsOf(what: () => Promise<unknown>): Promise<string[]> {
  const before = world.calls.length;
  await what();
  return world.calls
    .slice(before)
    .map((call) => call.split(" ").at(-1)!)
    .sort();
}

/** Until the spare sockets are complete again. */
async function spares(): Promise<void> {
  const open = () => world.ground.live.relay?.socketsOf("em1");
  await expect.poll(open, { timeout: 90_000 }).toBe(LIVE_LIMITS.spares);
}

const READ = /^(?:GetItem|BatchGetItem|Query)$/;
/** docs/cost.md counts by these: reads at most, and exactly what else is asked of AWS. */
const MOST: Record<string, [reads: number, ...others: string[]]> = {
  runner: [3, "SendMessage", "TransactWriteItems"],
  execute: [4, "TransactWriteItems"],
  websocket: [11, "TransactWriteItems", "UpdateItem", "UpdateItem"],
  raw: [7, "UpdateItem", "UpdateItem"],
  deleted: [6, "SendMessage", "TransactWriteItems"],
  comparison: [5],
};

test("docs/cost.md: the AWS requests of a runner, an execution and a file operation", async () => {
  const spec = { image: "python", prewarmingPoolSize: 3 };
  expect((await client.body("PUT", "/execution-environments/0", spec)).status).toBe(201);
  await agent.beat();
  await spares();
  await agent.fill(3);
  const take = async () => {
    const answer = await client.body("POST", "/runners", "{}");
    expect(answer.status).toBe(200);
    return `/runners/${answer.json.runnerId}`;
  };
  /** A session from its request to the note of its end, and the spare socket after it. */
  const noted = async (what: () => Promise<void>) => {
    const ended = async () =>
      (await new SessionNotes(store).list("ada", Date.now())).filter((note) => note.ended).length;
    const before = await ended();
    await what();
    await expect.poll(ended, { timeout: 90_000 }).toBe(before + 1);
    await spares();
  };
  const run = (url: string) =>
    noted(async () => {
      const execution = client.connect(url);
      await execution.closed;
      expect(execution.end).toEqual({ type: "exit", data: 0 });
    });
  const command = { command: "true" };
  // what a process learns with its first requests is not counted
  await run(await client.execute(await take(), command));

  const made: Record<string, string[]> = {};
  let path = "";
  made.runner = await requestsOf(async () => (path = await take()));
  let url = "";
  made.execute = await requestsOf(async () => (url = await client.execute(path, command)));
  made.websocket = await requestsOf(() => run(url));
  made.raw = await requestsOf(() =>
    noted(async () => {
      expect((await client.get(`${path}/files/raw?path=package.json`)).status).toBe(200);
    }),
  );
  made.deleted = await requestsOf(async () => {
    expect((await client.delete(path)).status).toBe(204);
  });
  const nothing = { epoch: agent.session.epoch, digest: runnerDigest([]), changed: [] };
  await agent.client.tellPools({ ...nothing, list: [] });
  made.comparison = await requestsOf(() => agent.client.tellPools(nothing));
  for (const [what, [reads, ...others]] of Object.entries(MOST)) {
    const calls = made[what]!;
    expect([what, calls.filter((name) => !READ.test(name))]).toEqual([what, others]);
    expect([what, calls.filter((name) => READ.test(name)).length]).toEqual([
      what,
      expect.toSatisfy((n) => n <= reads),
    ]);
  }
});

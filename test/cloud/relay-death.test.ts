import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { sharedRelay } from "#lambdas/live/open-relay.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { type ServedGround, serveGround } from "#lambdas/serve-ground.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { openLink } from "#test/live/support/link.ts";
import { Child } from "../../scripts/child.ts";
import { CREDENTIALS, REGION } from "./support/aws.ts";
import { type CloudWorld, makeCloudWorld } from "./support/cloud-world.ts";
import { type LiveAgent, startLiveAgent } from "./support/live-agent.ts";
import type { RelayProcessOptions } from "./support/relay-process.ts";

const PROCESS = new URL("support/relay-process.ts", import.meta.url).pathname;
const PATIENT = { timeout: 90_000 };
/** ms that the second server's clock is ahead: for it the time until it takes over passes sooner, and not before */
let ahead = 0;
const PLACE = { renewMs: 200, clock: () => performance.now() + ahead };

let world: CloudWorld;
/** the address of the relay, whichever server has it */
let front: Awaited<ReturnType<typeof openLink>>;
let first: Child;
let second: ServedGround;
let agent: LiveAgent;
let at: { first: PoseidonClient; second: PoseidonClient };
beforeAll(async () => {
  const endpoint = inject("awsEndpoint");
  front = await openLink("http://127.0.0.1:9");
  world = await makeCloudWorld(endpoint, {
    live: { url: front.url, relay: sharedRelay, tuning: { place: PLACE } },
    agentGround: { live: { url: front.url } },
  });
  const options: RelayProcessOptions = {
    table: world.table,
    bucket: world.bucket,
    queuePrefix: world.queue("").url,
    aws: { endpoint, region: REGION, credentials: CREDENTIALS },
    url: front.url,
    token: "07".repeat(32),
  };
  const env = { PATH: process.env.PATH, PERIGEE_LOG_LEVEL: process.env.PERIGEE_LOG_LEVEL };
  first = await Child.start("first", [PROCESS, JSON.stringify(options)], env, (line) => {
    if (process.env.PERIGEE_TEST_LOG) console.error(line);
  });
  const { url } = (await first.ready) as { url: string };
  front.target = url;
  second = await serveGround(world.ground, { host: "127.0.0.1", port: 0 });
  const { uid } = await world.ground.accounts.addUser("ada", "long enough");
  const tokens = operatorTokens(world.ground.store, "poseidon");
  const token = await tokens.add({ name: "ada", user: "ada", uid, createdAt: 0 });
  const client = (of: string) => new PoseidonClient(`${of}/api/v1`, token);
  at = { first: client(url), second: client(second.url) };
  agent = await startLiveAgent({ url: world.agentUrl, token: world.agentToken });
});
afterAll(async () => {
  await agent?.close();
  first?.kill();
  await second?.close(0);
  front?.close();
  await world?.close();
});

test("the relay's process is killed: another server takes over, with the runners and the unused ids", async () => {
  const spec = { image: "python", prewarmingPoolSize: 1 };
  expect((await at.second.body("PUT", "/execution-environments/0", spec)).status).toBe(201);
  await agent.beat();
  await agent.fill(1);
  const { json } = await at.first.body("POST", "/runners", "{}");
  const runner = `/runners/${json.runnerId}`;
  const unused = await at.second.execute(runner, { command: "echo over" });
  // ends with the key that a terminal would send it
  const command = "echo on; read -rN1 key";
  const open = at.first.connect(await at.first.execute(runner, { command }));
  await open.until((execution) => execution.text("stdout") === "on\n");
  expect(world.ground.live.relay?.isHere).toBe(false);

  first.kill();
  await open.closed;
  // at most once: it ended with its socket, on the edge too
  await expect.poll(() => agent.sessions.running, PATIENT).toBe(0);
  expect(agent.sessions.started).toHaveLength(1);
  front.target = second.url;
  const tookOver = () => {
    const { isHere } = world.ground.live.relay!;
    if (!isHere) ahead += 1_000;
    return isHere;
  };
  await expect.poll(tookOver, PATIENT).toBe(true);
  const ran = at.second.connect(unused);
  await ran.closed;
  expect([ran.text("stdout"), ran.end]).toEqual(["over\n", { type: "exit", data: 0 }]);
  expect(agent.sessions.started).toHaveLength(2);
});

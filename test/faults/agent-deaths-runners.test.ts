import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { LABEL } from "#agent/pods/labels.ts";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { StoredRunnerPools } from "#lambdas/runners/stored-runner-pools.ts";
import { makeRunnerImage } from "../../scripts/runner-image.ts";
import { type Deployment, deploy, docker, type Lane } from "./support/deployment.ts";

const POOL = 2;
const TAG = "perigee-runner-faults:latest";
const SPEC = {
  image: TAG,
  prewarmingPoolSize: POOL,
  cpuLimit: 0,
  memoryLimit: 64,
  networkAccess: false,
  exposedPorts: null,
};
const WAIT = { timeout: 120_000, interval: 200 };

let deployment: Deployment;
let lane: Lane;
let store: SqliteStore;
/** another process of the ground over the same ledger */
let pools: StoredRunnerPools;
let owner: { user: string; edge: string };
beforeAll(async () => {
  await makeRunnerImage(docker, TAG);
  deployment = await deploy(1, { publicImages: [TAG] });
  lane = deployment.lanes[0]!;
  owner = { user: lane.user, edge: lane.edge };
  store = new SqliteStore(join(deployment.data, "ledger.sqlite"));
  pools = new StoredRunnerPools({
    store,
    // the agent's command makes the ground ring
    doorbell: { ring: async () => void lane.client.get("/em/nodes/status").catch(() => undefined) },
    ledger: { inContact: async () => true, edgeAgent: async () => ({ version: "9", features: ["runners"] }) },
    edges: async () => [lane.edge],
    now: Date.now,
  });
});
afterAll(async () => {
  await store.close();
  await deployment.close();
  await docker.getImage(TAG).remove();
});

/** Ids of the runners that the engine runs for this edge. */
async function containers(): Promise<string[]> {
  const listed = await docker.listContainers({
    all: true,
    filters: { label: [LABEL.runner, `${LABEL.user}=${lane.user}`] },
  });
  return listed.map(({ Labels }) => Labels[LABEL.run]!).sort();
}

async function idle(): Promise<number> {
  return (await pools.statistics(owner))[0]?.idleRunners ?? 0;
}

/** Idle is as wanted, and the engine has these, those that are used, and nothing else. */
async function settled(used: readonly string[]): Promise<void> {
  await expect
    .poll(async () => {
      const known = (await pools.list(lane.user)).filter(({ state }) => state !== "gone");
      const ids = known.map(({ id }) => id).sort();
      return { idle: await idle(), same: JSON.stringify(ids) === JSON.stringify(await containers()) };
    }, WAIT)
    .toEqual({ idle: POOL, same: true });
  expect(await containers()).toEqual(expect.arrayContaining([...used]));
}

async function take(): Promise<string> {
  const result = await pools.handOut(owner, 0, { waitMs: 120_000, inactivityMs: 3600_000 });
  if (!("runner" in result)) throw new Error(JSON.stringify(result));
  return result.runner.id;
}

describe("the agent dies while it keeps pools of runners, and is started again", { timeout: 240_000 }, () => {
  afterEach(async () => {
    await pools.remove(owner, 0);
    await expect.poll(containers, WAIT).toEqual([]);
  });

  test.each(["runners.recorded", "runners.started", "runners.tested", "runners.told"])(
    "while it fills a pool: killed at %s",
    async (point) => {
      lane.agent.arm(point);
      await pools.put(owner, { id: 0, ...SPEC });
      await lane.agent.death(point);
      await lane.agent.start();
      await settled([]);
    },
  );

  test("when it hears of a hand-out: the runner stays handed out, the pool is filled", async () => {
    await pools.put(owner, { id: 0, ...SPEC });
    await settled([]);
    lane.agent.arm("runners.handed");
    const id = await take();
    await lane.agent.death("runners.handed");
    await lane.agent.start();
    await settled([id]);
    expect(await pools.used(lane.user, id)).toMatchObject({ id });
  });

  test("when it has ended a runner: it is gone once, and the used one stays", async () => {
    await pools.put(owner, { id: 0, ...SPEC });
    const [kept, ended] = [await take(), await take()];
    await settled([kept, ended]);
    lane.agent.arm("runners.removed");
    await pools.end(lane.user, ended);
    await lane.agent.death("runners.removed");
    await lane.agent.start();
    await settled([kept]);
    expect(await containers()).not.toContain(ended);
  });

  test("the ground dies at the exchange, and comes back: nothing is doubled or lost", async () => {
    deployment.ground.arm("agent.pools-told");
    await pools.put(owner, { id: 0, ...SPEC });
    await deployment.ground.death("agent.pools-told");
    await deployment.ground.start();
    const id = await take();
    await settled([id]);
  });

  test("the engine loses all: they are lost, and the pool is filled anew", async () => {
    await pools.put(owner, { id: 0, ...SPEC });
    const id = await take();
    await settled([id]);
    await Promise.all(
      (await containers()).map((run) => docker.getContainer(`perigee-${run}`).remove({ force: true })),
    );
    await expect.poll(() => pools.used(lane.user, id), WAIT).toBeUndefined();
    await settled([]);
  });
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeQueue, uniqueName } from "#test/cloud/support/aws.ts";
import { makeCloudWorld } from "#test/cloud/support/cloud-world.ts";
import { startLocalStack } from "../scripts/localstack/start.ts";
import { bareCloudCalls } from "./bare-cloud-calls.ts";
import { percentile, type Row } from "./table.ts";

const WARM_UP = 20;
const BLOCKS = 4;
const PER_BLOCK = 12;
const MOST_CALLS = 10;
/** Before each, ms: rings that come close together are deleted together, which would be a request less. */
const PAUSE_MS = 600;

/**
 * Round trip of `GET /em/nodes/status` on DynamoDB, S3 and SQS, served by two grounds as by two Lambdas, against
 * the AWS requests that it consists of, made one after the other to the same LocalStack.
 */
export async function measureCloudRoundTrip(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "perigee-bench-cloud-"));
  const localStack = await startLocalStack({ dir });
  const world = await makeCloudWorld(localStack.endpoint).catch(async (error: unknown) => {
    await localStack.stop();
    throw error;
  });
  try {
    await world.agent({ "nodes.status": async () => ({ nodes: [{ name: "mpu1", status: "True" }] }) });
    const alice = await world.user("bench");
    const queueUrl = await makeQueue(world.aws.sqs, uniqueName("bench"));
    const command = async () => {
      const answer = await alice.fetch("/em/nodes/status");
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error(`nodes/status answered ${answer.status}`);
    };
    const bare = () => bareCloudCalls(world.aws, { table: world.table, queueUrl });
    const ours: number[] = [];
    const peer: number[] = [];
    for (let i = 0; i < WARM_UP; i++) {
      await command();
      await bare();
    }
    const before = world.calls.length;
    // In turns, so that whatever else the machine does falls on both
    for (let block = 0; block < BLOCKS; block++) {
      for (let i = 0; i < PER_BLOCK; i++) ours.push(await time(command));
      for (let i = 0; i < PER_BLOCK; i++) peer.push(await time(bare));
    }
    const calls = (world.calls.length - before) / ours.length;
    const row = (name: string, p: number, goal?: Row["goal"]): Row => ({
      what: `nodes/status on LocalStack, ${name}`,
      ours: `${percentile(ours, p).toFixed(1)} ms`,
      peer: `its requests one by one: ${percentile(peer, p).toFixed(1)} ms`,
      ratio: percentile(ours, p) / percentile(peer, p),
      ...(goal && { goal }),
    });
    const requests: Row = {
      what: "AWS requests of nodes/status",
      ours: calls.toFixed(1),
      peer: `at most ${MOST_CALLS}`,
      ratio: calls / MOST_CALLS,
      goal: { atMost: 1 },
    };
    return [row("p50", 0.5, { below: 1.05 }), row("p90", 0.9), requests];
  } finally {
    await world.close();
    await localStack.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function time(run: () => Promise<unknown>): Promise<number> {
  await sleep(PAUSE_MS);
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

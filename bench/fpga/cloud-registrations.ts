import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { createCloudGround } from "#lambdas/cloud.ts";
import { fpga } from "#lambdas/dialects/fpga/dialect.ts";
import { partsOf } from "#lambdas/dialects/fpga/parts.ts";
import { projectOf } from "#lambdas/dialects/fpga/project.ts";
import { awsAt, makeBucket, makeQueue, makeTable, uniqueName } from "#test/cloud/support/aws.ts";
import { makeCloudWorld } from "#test/cloud/support/cloud-world.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { startLocalStack } from "../../scripts/localstack/start.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { time } from "./fpga-bench.ts";
import { Replay, type Sent } from "./replay.ts";

const ROUNDS = scaled(20);
const LOOK_MS = 20;

/**
 * Registrations and deletions of FPGA images on DynamoDB, S3 and SQS, each from its request until the image is active, or
 * gone, against the AWS requests that they consisted of, made again one by one to the same LocalStack, in turns.
 */
export async function measureCloudRegistrations(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), "perigee-bench-cloud-"));
  const localStack = await startLocalStack({ dir });
  const { endpoint } = localStack;
  const aws = awsAt(endpoint);
  const looking = awsAt(endpoint);
  let sent: Sent[] = [];
  const common = { dialects: [fpga], sealKeys: [Buffer.alloc(32, 1)], objects: await makeBucket(aws.s3) };
  const world = await makeCloudWorld(endpoint, {
    ...common,
    recentAccountMs: 3600_000,
    onCall: (who, command, input) => void sent.push({ who, command, input }),
  });
  const observer = createCloudGround({
    ...{ ...common, table: world.table, bucket: world.bucket, queuePrefix: world.queue("").url },
    ...{ tokens: [{ kid: "test", secret: Buffer.alloc(32, 7) }], log: pino({ level: "silent" }) },
    clients: looking,
  });
  try {
    await world.agent({
      "fpga.store": async ({ input: { sha256, bytes } }: { input: { sha256: string; bytes: number } }) => {
        return { sha256, bytes };
      },
      "fpga.delete": async () => ({}),
    } as never);
    const user = await world.user("bench");
    const account = (await world.ground.accounts.getUser("bench"))!;
    const project = projectOf(account, "em1").id;
    const base = `/v1/${project}/cloudservers/fpga_image`;
    const objects = world.ground.dialects[0]!.core.objects!;
    await objects.put({ owner: account.uid, bucket: "abc", key: "f.bin" }, buildRawStream(), {
      maxBytes: 1e9,
    });
    const { images } = partsOf(observer.dialects[0]!.core);
    const until = async (id: string, status: string | undefined) => {
      while ((await images.find(project, id))?.status !== status) await sleep(LOOK_MS);
    };
    const registerAndDelete = async () => {
      const body = JSON.stringify({ fpga_image: { location: "abc:f.bin", name: "n", metadata: {} } });
      const answer = await user.fetch(base, { method: "POST", body });
      const { id } = ((await answer.json()) as { fpga_image: { id: string } }).fpga_image;
      await until(id, "active");
      await user.fetch(`${base}/${id}`, { method: "DELETE" });
      await until(id, undefined);
    };
    const replay = new Replay(aws, {
      table: await makeTable(aws.dynamo),
      queueUrl: await makeQueue(aws.sqs, uniqueName("bench")),
    });
    const took = { ours: [] as number[], peer: [] as number[], calls: [] as number[] };
    // the first warms both
    for (let round = 0; round < ROUNDS + 1; round++) {
      sent = [];
      const ours = await time(registerAndDelete);
      const calls = Replay.ofGround(sent);
      const peer = await time(() => replay.make(calls));
      if (round === 0) continue;
      took.ours.push(ours);
      took.peer.push(peer);
      took.calls.push(calls.length);
    }
    return [
      {
        what: `${ROUNDS} registrations and deletions on LocalStack, p50`,
        ours: `${median(took.ours).toFixed(0)} ms`,
        peer: `their ${median(took.calls)} AWS requests one by one: ${median(took.peer).toFixed(0)} ms`,
        ratio: median(took.ours) / median(took.peer),
        goal: { below: 1.3 },
      },
    ];
  } finally {
    await observer.close();
    await world.close();
    aws.close();
    await localStack.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createCloudGround } from "#lambdas/cloud.ts";
import { fpga } from "#lambdas/dialects/fpga/dialect.ts";
import { projectOf } from "#lambdas/dialects/fpga/project.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import type { UserClient } from "#test/support/world.ts";
import { awsAt, makeBucket } from "./support/aws.ts";
import { type CloudWorld, makeCloudWorld, onRequest } from "./support/cloud-world.ts";

const endpoint = inject("awsEndpoint");
const sealKeys = [Buffer.alloc(32, 1)];
const log = pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" });
const aws = awsAt(endpoint);
/** What the worker's process asks AWS for. */
const asked: string[] = [];
/** Each time that the worker was woken: what came, as Lambda would get it. */
const woken: string[] = [];
const lambda = createServer(async (incoming, outgoing) => {
  const { "x-amz-invocation-type": type, authorization = "" } = incoming.headers;
  const service = /Credential=[^/]+\/\d{8}\/([^/]+\/[^/]+)\//.exec(authorization)?.[1];
  woken.push([incoming.method, incoming.url, type, service, await text(incoming)].join(" "));
  outgoing.writeHead(202).end();
});

let world: CloudWorld;
let worker: ReturnType<typeof createCloudGround>;
let ada: UserClient;
let base: string;
beforeAll(async () => {
  await new Promise<void>((done) => lambda.listen(0, "127.0.0.1", done));
  const { port } = lambda.address() as AddressInfo;
  const objects = await makeBucket(aws.s3);
  const common = { dialects: [fpga], sealKeys, objects, recentAccountMs: 3600_000 };
  world = await makeCloudWorld(endpoint, {
    ...common,
    // as an emulator's stack names it
    worker: "https://lambda.us-east-1.172.17.0.1/2015-03-31/functions/worker/invocations",
    aws: { endpoint: `http://127.0.0.1:${port}` },
  });
  const clients = awsAt(endpoint);
  for (const one of [clients.dynamo, clients.s3, clients.sqs]) onRequest(one, (name) => asked.push(name));
  worker = createCloudGround({
    ...common,
    table: world.table,
    bucket: world.bucket,
    queuePrefix: world.queue("").url,
    tokens: [{ kid: "test", secret: Buffer.alloc(32, 7) }],
    log,
    clients,
  });
  await world.agent({
    "fpga.store": async ({ input }: { input: { sha256: string; bytes: number } }) => ({
      sha256: input.sha256,
      bytes: input.bytes,
    }),
  } as never);
  ada = await world.user("ada");
  const account = (await world.ground.accounts.getUser("ada"))!;
  const project = projectOf(account, "em1");
  base = `/v1/${project.id}/cloudservers/fpga_image`;
  const [mounted] = world.ground.dialects;
  await mounted!.core.objects!.put({ owner: account.uid, bucket: "abc", key: "f.bin" }, buildRawStream(), {
    maxBytes: 1e9,
  });
});
afterAll(async () => {
  lambda.close();
  await worker?.close();
  await world?.close();
  aws.close();
});

const register = async () => {
  const body = JSON.stringify({ fpga_image: { location: "abc:f.bin", name: "n", metadata: {} } });
  const answer = await ada.fetch(base, { method: "POST", body });
  expect(answer.status).toBe(200);
  await answer.text();
};
const status = async () => {
  const answer = await ada.fetch(`${base}/detail`);
  const { fpgaimages } = (await answer.json()) as { fpgaimages: { status: string }[] };
  return fpgaimages.map((image) => image.status);
};
const counted = (calls: readonly string[]) =>
  Object.fromEntries(
    Object.entries(Object.groupBy(calls, (call) => call)).map(([name, all]) => [name, all!.length]),
  );
const work = async () => {
  asked.length = 0;
  await fpga.work!(worker.dialects[0]!.core);
  return counted(asked);
};

/** docs/cost.md counts by these. */
const REGISTRATION = {
  BatchGetItem: 3,
  CopyObject: 1,
  GetItem: 3,
  HeadObject: 3,
  ListObjectsV2: 10,
  Query: 1,
  TransactWriteItems: 1,
};
const CHECK = {
  BatchGetItem: 1,
  GetItem: 6,
  GetObject: 1,
  PutItem: 4,
  Query: 2,
  SendMessage: 1,
  TransactWriteItems: 2,
};
const CLEARING = {
  DeleteObjects: 1,
  GetItem: 3,
  ListMultipartUploads: 1,
  ListObjectsV2: 1,
  Query: 2,
  TransactWriteItems: 1,
};

test("a registration, its check and what clears it away take a known number of AWS requests", async () => {
  // what a process reads once is no part of it
  await register();
  await work();
  await expect.poll(status).toEqual(["active"]);
  await work();

  woken.length = 0;
  const before = world.calls.length;
  await register();
  const registration = world.calls
    .slice(before)
    .flatMap((call) => /^user's ground (.*)/.exec(call)?.[1] ?? []);
  expect(counted(registration)).toEqual(REGISTRATION);
  expect(woken).toEqual(["POST /2015-03-31/functions/worker/invocations Event us-east-1/lambda {}"]);
  const check = await work();
  await expect.poll(status).toEqual(["active", "active"]);
  const clearing = await work();
  expect(check).toEqual(CHECK);
  expect(clearing).toEqual(CLEARING);
});

test("the janitor wakes a worker that was lost, and nobody when all is read", async () => {
  const { core } = world.ground.dialects[0]!;
  woken.length = 0;
  await register();
  await fpga.janitor!(core);
  expect(woken).toHaveLength(2);
  await work();
  await expect.poll(async () => (await status()).includes("saving")).toBe(false);
  await fpga.janitor!(core);
  expect(woken).toHaveLength(2);
});

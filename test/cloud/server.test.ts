import { randomBytes } from "node:crypto";
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { Xxh64 } from "@node-rs/xxhash";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { OperationHandlers } from "#agent/operation.ts";
import { clientSettings } from "#lambdas/adapters/aws/client-settings.ts";
import { loadTokenKeys } from "#lambdas/cloud.ts";
import { MiB } from "#protocol/limits.ts";
import { bigUpload, chunkOf, PATTERN } from "#test/bounds/support/big-upload.ts";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { gate } from "#test/support/world.ts";
import { watchMemory } from "../../bench/resident-memory.ts";
import { Child } from "../../scripts/child.ts";
import { CREDENTIALS, REGION, uniqueName } from "./support/aws.ts";
import { type CloudWorld, makeCloudWorld } from "./support/cloud-world.ts";

const endpoint = inject("awsEndpoint");
const aws = { endpoint, region: REGION, credentials: CREDENTIALS };
const BIG = 512 * MiB;
/** What a server may grow by while it takes any body: parts under way, and what Node has not collected yet. */
const GROWTH = 112 * MiB;
const LONG = 720_000;

let world: CloudWorld;
let secrets: SecretsManagerClient;
let secret: string;
let server: Child;
let client: Client;
const begun = gate();
const finish = gate();
/** what the edge received, per path */
const received = new Map<string, string>();

beforeAll(async () => {
  world = await makeCloudWorld(endpoint);
  secrets = new SecretsManagerClient(clientSettings(aws));
  secret = uniqueName("tokens");
  await secrets.send(
    new CreateSecretCommand({ Name: secret, SecretString: randomBytes(32).toString("hex") }),
  );
  server = await Child.start(
    "ground",
    ["lambdas/entries/server.ts"],
    {
      PATH: process.env.PATH,
      PERIGEE_TABLE: world.table,
      PERIGEE_BUCKET: world.bucket,
      PERIGEE_QUEUE_PREFIX: world.queue("").url,
      PERIGEE_TOKEN_SECRET: secret,
      PERIGEE_PORT: "0",
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
    (line) => {
      if (process.env.PERIGEE_TEST_LOG) console.error(line);
    },
  );
  const { url } = (await server.ready) as { url: string };
  await world.ground.accounts.addUser("ada", "correct horse");
  client = await logIn(url, { name: "ada", password: "correct horse" });
  const handlers: Partial<OperationHandlers> = {
    "nodes.status": async () => {
      begun.open();
      await finish.passed;
      return { nodes: [{ name: "mpu1", status: "True" }] };
    },
    "volume.uplink": async ({ input, manifest, fetchInto }) => {
      for (const { n, path } of await manifest()) {
        const hash = new Xxh64();
        await fetchInto(n, 0, async (chunks) => {
          for (const chunk of chunks) hash.update(chunk);
        });
        received.set(path, hash.digest().toString(16));
      }
      return { count: input.count, bytes: input.bytes };
    },
  };
  await world.agent(handlers, { beats: true });
});
afterAll(async () => {
  await server?.stop(10_000);
  await world?.close();
  await secrets?.send(new DeleteSecretCommand({ SecretId: secret, ForceDeleteWithoutRecovery: true }));
  secrets?.destroy();
});

const left = async () => {
  const uploads = await world.aws.s3.send(new ListMultipartUploadsCommand({ Bucket: world.bucket }));
  return [...(await world.ground.staging.list("uplink/")).map(({ key }) => key), ...(uploads.Uploads ?? [])];
};

describe("perigee server on a deployment's table, bucket and queues", () => {
  test("takes a big multipart body with constant memory and gives it on whole", {
    timeout: LONG,
  }, async () => {
    const send = (file: string, size: number) =>
      bigUpload(client, [
        { field: "pod_name", value: "pod" },
        { file, size },
      ]);
    expect((await send("warm", 64 * MiB))?.status).toBe(200);
    const grown = watchMemory(server.pid);
    const answer = await send("big", BIG);
    const growth = grown();
    expect(answer?.json).toMatchObject({ data: { file_count: 1, total_size_kb: BIG / 1024 } });

    const hash = new Xxh64();
    for (let n = 0; n * MiB < BIG; n++) hash.update(chunkOf(n, PATTERN));
    expect(received.get("big")).toBe(hash.digest().toString(16));
    expect(growth).toBeLessThan(GROWTH);
    expect(await left()).toEqual([]);
  });

  test("leaves nothing of a body that is cut", { timeout: LONG }, async () => {
    const parts = [
      { field: "pod_name", value: "pod" },
      { file: "cut", size: 100 * MiB },
    ];
    expect(await bigUpload(client, parts, 40 * MiB)).toBeUndefined();
    const newest = async () => (await client.get("/commands", { limit: 1 })).json.data;
    await expect
      .poll(newest, { timeout: 90_000 })
      .toMatchObject([{ operation: "volume.uplink", state: "failed" }]);
    await expect.poll(left, { timeout: 90_000 }).toEqual([]);
  });

  test("a new value of the secret signs, the one before is still accepted", async () => {
    const [before] = await loadTokenKeys(secret, aws);
    await secrets.send(
      new PutSecretValueCommand({ SecretId: secret, SecretString: randomBytes(32).toString("hex") }),
    );
    const keys = await loadTokenKeys(secret, aws);
    expect(keys).toHaveLength(2);
    expect(keys[0]!.kid).not.toBe(before!.kid);
    expect(keys[1]).toEqual(before);
  });

  test("killed while it waits, loses nothing: another ground tells how the command ended", async () => {
    const waiting = client.get("/em/nodes/status");
    await Promise.all([
      begun.passed,
      expect(waiting).rejects.toThrow(),
      begun.passed.then(() => server.kill()),
    ]);
    finish.open();
    const elsewhere = await logIn(world.url, { name: "ada", password: "correct horse" });
    const newest = async () => (await elsewhere.get("/commands", { limit: 1 })).json.data;
    await expect.poll(newest, { timeout: 90_000 }).toMatchObject([
      {
        operation: "nodes.status",
        state: "succeeded",
        attempts: 1,
        result: { nodes: [{ name: "mpu1", status: "True" }] },
      },
    ]);
  });
});

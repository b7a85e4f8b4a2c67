import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalStack, startLocalStack, stopLocalStack } from "../../scripts/localstack/start.ts";
import { commandLine, isAlive } from "../../scripts/processes.ts";
import { CREDENTIALS, makeTable, REGION } from "./support/aws.ts";

let dir: string;
let given: string | undefined;
let one: LocalStack;
let other: LocalStack;

/** Two for all tests, started at once; the last test stops them. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "perigee-localstack-"));
  given = process.env.LOCALSTACK_ENDPOINT;
  delete process.env.LOCALSTACK_ENDPOINT;
  const start = (name: string) => startLocalStack({ dir: join(dir, name) });
  [one, other] = await Promise.all([start("one"), start("other")]);
}, 720_000);
afterAll(async () => {
  await one?.stop();
  await other?.stop();
  if (given !== undefined) process.env.LOCALSTACK_ENDPOINT = given;
  await rm(dir, { recursive: true, force: true });
}, 720_000);

/** The first request starts LocalStack's database, which is silent until then, on a busy machine for a minute. */
const patient = (endpoint: string) =>
  new DynamoDBClient({
    endpoint,
    region: REGION,
    credentials: CREDENTIALS,
    maxAttempts: 1,
    requestHandler: { socketTimeout: 300_000 },
  });

const tables = async (endpoint: string) => {
  const dynamo = patient(endpoint);
  try {
    return (await dynamo.send(new ListTablesCommand({}))).TableNames;
  } finally {
    dynamo.destroy();
  }
};

describe("a LocalStack of one's own", { timeout: 720_000 }, () => {
  test("two that start at once stand side by side and know nothing of each other", async () => {
    expect(one.endpoint).not.toBe(other.endpoint);
    const dynamo = patient(one.endpoint);
    // each starts its database meanwhile
    await Promise.all([makeTable(dynamo, "only-in-one"), tables(other.endpoint)]);
    dynamo.destroy();
    const all = await Promise.all([one, other].map(({ endpoint }) => tables(endpoint)));
    expect(all).toEqual([["only-in-one"], []]);
  });

  test("the one that LOCALSTACK_ENDPOINT names is used as it is, and not stopped", async () => {
    process.env.LOCALSTACK_ENDPOINT = `${one.endpoint}/`;
    const same = await startLocalStack({ dir: join(dir, "never") });
    delete process.env.LOCALSTACK_ENDPOINT;
    expect(same.endpoint).toBe(one.endpoint);
    await same.stop();
    expect((await fetch(`${one.endpoint}/_localstack/health`)).status).toBe(200);
    expect(existsSync(join(dir, "never"))).toBe(false);
  });

  test("leaves no process when it is stopped, also from elsewhere, and twice", async () => {
    const pidFile = join(dir, "one/localstack.pid");
    const pid = existsSync(pidFile) ? Number(await readFile(pidFile, "utf8")) : undefined;
    await stopLocalStack(join(dir, "one"));
    if (pid !== undefined) {
      expect(isAlive(pid)).toBe(false);
      expect(commandLine(pid)).toBe("");
    }
    await one.stop();
    await expect(fetch(`${one.endpoint}/_localstack/health`)).rejects.toThrow();
    expect((await fetch(`${other.endpoint}/_localstack/health`)).status).toBe(200);
    await other.stop();
    await expect(fetch(`${other.endpoint}/_localstack/health`)).rejects.toThrow();
  });
});

import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Stage } from "../../cli/testing/cli-process.ts";
import { awsAt, CREDENTIALS, dropTable, makeQueue, makeTable, REGION, uniqueName } from "./support/aws.ts";

/** The operator's verbs on a ground in the cloud: the same verbs, on its table. */
const aws = awsAt(inject("awsEndpoint"));
const prefix = `${uniqueName("op")}_`;
let table: string;
let stage: Stage;
beforeAll(async () => {
  [table, stage] = await Promise.all([makeTable(aws.dynamo), Stage.open()]);
  await makeQueue(aws.sqs, `${prefix}em1`);
});
afterAll(async () => {
  await dropTable(aws.dynamo, table);
  aws.close();
  await stage.close();
});

async function perigee(args: string[], env: Record<string, string> = { PERIGEE_TABLE: table }, input = "") {
  const { code, stdout, stderr } = await stage.run([...args, "--json"], {
    input,
    env: {
      AWS_ENDPOINT_URL: inject("awsEndpoint"),
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      PERIGEE_QUEUE_PREFIX: prefix,
      ...env,
    },
  });
  return { code, stderr, ...(JSON.parse(stdout || "{}") as { data?: unknown }) };
}

test("edges and users are made, granted and listed in the table", async () => {
  const edge = await perigee(["edge", "add", "em1"]);
  expect(edge).toMatchObject({ code: 0, stderr: "", data: { edge: "em1" } });
  const user = await perigee(
    ["user", "add", "carol", "--password-stdin", "--table", table],
    {},
    "long enough",
  );
  expect(user).toMatchObject({ code: 0, data: { name: "carol", edges: ["em1"] } });
  expect((await perigee(["edge", "list"])).data).toMatchObject([
    { edge: "em1", contact: "never", queued: 0 },
  ]);
  expect((await perigee(["user", "list"])).data).toMatchObject([{ name: "carol", edges: ["em1"] }]);
  expect(await perigee(["edge", "add", "em1"])).toMatchObject({ code: 1 });
});

test("an edge whose queue is not deployed is made, and said to be without", async () => {
  const { code, stderr } = await perigee(["edge", "add", "em2"]);
  expect([code, JSON.parse(stderr).notice]).toEqual([0, expect.stringContaining("-c edges")]);
});

test("a directory and a table exclude each other", async () => {
  const { code, stderr } = await perigee(["user", "list", "--data", ".", "--table", table]);
  expect([code, JSON.parse(stderr).error]).toEqual([2, "USAGE"]);
});

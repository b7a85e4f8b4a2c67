import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Stage } from "../../cli/testing/cli-process.ts";
import { emulatorEnv } from "../../scripts/cloud/emulator-env.ts";
import { type DeployedEdge, deployedEdge } from "./support/deployed-edge.ts";

let at: DeployedEdge;
let stage: Stage;
beforeAll(async () => {
  [at, stage] = await Promise.all([deployedEdge({}), Stage.open()]);
});
afterAll(async () => {
  await at.close();
  await stage.close();
});

/** One round of the deployed janitor; its last lines of log. */
async function round(): Promise<string> {
  const { endpoint, outputs } = inject("deployed");
  const answer = await fetch(`${endpoint}/2015-03-31/functions/${outputs.JanitorFunction}/invocations`, {
    method: "POST",
    headers: {
      // the emulator takes anybody's signature, and must only see which service is meant
      authorization:
        "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0",
      "x-amz-log-type": "Tail",
    },
    body: "{}",
  });
  expect([answer.status, await answer.text()]).toEqual([200, "null"]);
  expect(answer.headers.get("x-amz-function-error")).toBeNull();
  return Buffer.from(answer.headers.get("x-amz-log-result") ?? "", "base64").toString();
}

test("a round tells the metrics that the alarms look at, and deletes what nobody needs", async () => {
  const log = await round();
  const lines = log.split("\n").filter((one) => one.startsWith('{"_aws"'));
  expect(Object.assign({}, ...lines.map((line) => JSON.parse(line)))).toMatchObject({
    Deployment: "perigee",
    JanitorRounds: 1,
    LongestLock: expect.any(Number),
    LongestSilence: expect.any(Number),
    LongestWait: expect.any(Number),
  });
});

test("the operator's verbs see the deployment's edges", async () => {
  const { endpoint, outputs } = inject("deployed");
  const { code, stdout } = await stage.run(["edge", "list", "--json"], {
    env: { ...emulatorEnv(endpoint), PERIGEE_TABLE: outputs.TableName },
  });
  expect(code).toBe(0);
  const edges = JSON.parse(stdout).data as { edge: string; contact: string }[];
  expect(edges).toContainEqual(expect.objectContaining({ edge: at.edge, contact: "ok" }));
});

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateQueueCommand, DeleteQueueCommand } from "@aws-sdk/client-sqs";
import { inject } from "vitest";
import { awsClients } from "#lambdas/adapters/aws/aws-clients.ts";
import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { program } from "#test/support/programs.ts";
import { Child } from "../../../scripts/child.ts";
import { cleanEngine } from "../../../scripts/clean-engine.ts";
import { emulatorEnv } from "../../../scripts/cloud/emulator-env.ts";
import { clientFor, findEngine } from "../../../scripts/docker-engine.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../../scripts/runner-image.ts";
import { CREDENTIALS, REGION } from "../../cloud/support/aws.ts";

const GRACE_MS = 60_000;

/**
 * An edge of its own in the deployed cloud: a real agent on the engine here, which speaks to the Lambdas and hears its
 * rings in a queue of its own; beside it the ledger's table.
 */
export async function liveEdge(directory: string) {
  const { url, endpoint, outputs } = inject("deployed");
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`the edge's agent needs a Docker engine: ${engine.detail}`);
  const docker = clientFor(engine.host);
  await makeRunnerImage(docker);
  const clients = awsClients({ endpoint, region: REGION, credentials: CREDENTIALS });
  const store = new DynamoStore({ client: clients.dynamo, table: outputs.TableName, ttl: true });
  const accounts = new Accounts(store);
  const tokens = operatorTokens(store, "poseidon");
  const queues: string[] = [];

  /** An edge without an agent. @returns its agent's token, and its queue */
  async function addEdge(edge: string) {
    const made = await clients.sqs.send(new CreateQueueCommand({ QueueName: outputs.QueuePrefix + edge }));
    queues.push(made.QueueUrl!);
    return { token: (await accounts.addEdge(edge)).token, queueUrl: made.QueueUrl! };
  }

  const edge = `p${randomBytes(5).toString("hex")}`;
  const { token, queueUrl } = await addEdge(edge);
  const data = join(directory, "agent");
  mkdirSync(data);
  const place = (name: string, text: string) => {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const config = {
    doorbell: { sqs: { queueUrl, region: REGION, endpoint } },
    publicImages: [RUNNER_IMAGE],
  };
  const env = {
    PATH: process.env.PATH,
    ...emulatorEnv(endpoint),
    DOCKER_HOST: engine.host,
    PERIGEE_GROUND: url,
    PERIGEE_AGENT_TOKEN_FILE: place("agent.token", `${token}\n`),
    PERIGEE_AGENT_DATA: data,
    PERIGEE_AGENT_CONFIG: place("agent.json", JSON.stringify(config)),
  };
  const agent = await Child.start("agent", [program("agent")], env, (line) => {
    if (process.env.PERIGEE_TEST_LOG) console.error(`agent | ${line}`);
  });

  return {
    edge,
    store,
    tokens,
    ready: agent.ready,
    addEdge,
    /** A user of one edge. @returns the password, and a token for Poseidon's API */
    async user(name: string, of = edge) {
      const password = randomBytes(12).toString("hex");
      const { uid } = await accounts.addUser(name, password, { edges: [of] });
      const poseidon = await tokens.add({ name, user: name, uid, createdAt: Date.now() });
      return { name, password, poseidon };
    },
    async close() {
      await agent.stop(GRACE_MS);
      await cleanEngine(docker, data);
      for (const QueueUrl of queues) await clients.sqs.send(new DeleteQueueCommand({ QueueUrl }));
      await store.close();
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}

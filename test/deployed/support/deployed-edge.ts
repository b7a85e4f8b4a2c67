import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateQueueCommand, DeleteQueueCommand } from "@aws-sdk/client-sqs";
import { pino } from "pino";
import { inject } from "vitest";
import { GroundClient } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { SqsDoorbell } from "#agent/ground/sqs-doorbell.ts";
import { Journal } from "#agent/journal/journal.ts";
import { openStateDatabase } from "#agent/journal/state-database.ts";
import { AgentLoop } from "#agent/loop/agent-loop.ts";
import type { OperationHandlers } from "#agent/operation.ts";
import { OutgoingStore } from "#agent/transfers/outgoing-store.ts";
import { awsClients } from "#lambdas/adapters/aws/aws-clients.ts";
import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { OPERATIONS, type OperationName } from "#protocol/operations.ts";
import { CREDENTIALS, REGION } from "../../cloud/support/aws.ts";
import { logIn } from "../../contract/support/log-in.ts";

export type DeployedEdge = Awaited<ReturnType<typeof deployedEdge>>;

/**
 * An edge of its own in the deployed cloud, with a queue, users, and an agent in this process that does what the
 * test says; beside it the ledger, read straight from the table.
 */
export async function deployedEdge(handlers: Partial<OperationHandlers>, users = 1) {
  const { url, endpoint, outputs } = inject("deployed");
  const edge = `t${randomBytes(5).toString("hex")}`;
  const clients = awsClients({ endpoint, region: REGION, credentials: CREDENTIALS });
  const store = new DynamoStore({ client: clients.dynamo, table: outputs.TableName, ttl: true });
  const accounts = new Accounts(store);
  const ledger = new Ledger(store);
  const queue = new CreateQueueCommand({ QueueName: `${outputs.QueuePrefix}${edge}` });
  const queueUrl = (await clients.sqs.send(queue)).QueueUrl!;
  const { token } = await accounts.addEdge(edge);

  const data = await mkdtemp(join(tmpdir(), "perigee-edge-"));
  const database = openStateDatabase(data);
  const journal = new Journal(database);
  const ground = new GroundClient({ url, token });
  const doorbell = new SqsDoorbell({ client: clients.sqs, queueUrl });
  const session = new GroundSession(ground);
  await session.start({ journal: journal.id, version: "test" });
  const { epoch } = session;
  const beat = () => ground.heartbeat({ epoch, nodes: [], usage: {}, free: 1e12 });
  await beat();
  const beats = setInterval(() => void beat().catch(() => undefined), 20_000);
  const unexpected = Object.fromEntries(
    (Object.keys(OPERATIONS) as OperationName[]).map((name) => [
      name,
      () => Promise.reject(new Error(`the test did not expect ${name}`)),
    ]),
  );
  const log = pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" });
  const all = { ...unexpected, ...handlers } as unknown as OperationHandlers;
  const outgoing = new OutgoingStore(database, join(data, "outgoing"));
  const loop = new AgentLoop({ session, journal, handlers: all, doorbell, log, outgoing }, { graceMs: 0 });
  const controller = new AbortController();
  const running = loop.run(controller.signal);
  running.catch(() => undefined);

  return {
    edge,
    ledger,
    /** names of its users, and clients that are logged in as them */
    users: await Promise.all(
      Array.from({ length: users }, async (_, i) => {
        const name = `${edge}${i}`;
        const password = randomBytes(12).toString("hex");
        await accounts.addUser(name, password, { edges: [edge] });
        return { name, client: await logIn(url, { name, password }) };
      }),
    ),
    async close() {
      clearInterval(beats);
      controller.abort();
      await running.catch(() => undefined);
      doorbell.close();
      ground.close();
      database.close();
      await clients.sqs.send(new DeleteQueueCommand({ QueueUrl: queueUrl }));
      await store.close();
      for (const client of Object.values(clients)) client.destroy();
      await rm(data, { recursive: true, force: true });
    },
  };
}

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { SqsDoorbell } from "#agent/ground/sqs-doorbell.ts";
import { type CloudOptions, createCloudGround } from "#lambdas/cloud.ts";
import { worldOn } from "#test/support/world.ts";
import { awsAt, dropTable, makeBucket, makeQueue, makeTable, uniqueName } from "./aws.ts";

export type CloudWorld = Awaited<ReturnType<typeof makeCloudWorld>>;

/**
 * A world on DynamoDB, S3 and SQS. Users and agents are served by two grounds that share nothing else, as two
 * Lambdas do. `calls` are the AWS requests of both and of the agents' doorbells, in the order they were begun.
 */
export async function makeCloudWorld(
  endpoint: string,
  options: Partial<CloudOptions> & {
    /** of the ground that serves the agents, where it differs */
    agentGround?: Partial<CloudOptions>;
    edges?: string[];
    /** hears of each of `calls`, with its input */
    onCall?: (who: string, command: string, input: object) => void;
    /** where the doorbells' requests go instead: the grounds' rings, and the agents' waits */
    bellEndpoint?: string;
  } = {},
) {
  const {
    agentGround: forAgents = {},
    edges = ["em1"],
    bellEndpoint = endpoint,
    onCall,
    ...forUsers
  } = options;
  const aws = awsAt(endpoint);
  const table = await makeTable(aws.dynamo);
  const bucket = await makeBucket(aws.s3);
  const prefix = `${uniqueName("bell")}-`;
  let queuePrefix = "";
  for (const edge of edges) {
    const url = await makeQueue(aws.sqs, prefix + edge);
    queuePrefix = url.slice(0, -edge.length);
  }
  const calls: string[] = [];
  const counted = (at: string, who: string) => {
    const clients = awsAt(at);
    for (const client of [clients.dynamo, clients.s3, clients.sqs]) {
      onRequest(client, (command, input) => {
        calls.push(`${who} ${command}`);
        onCall?.(who, command, input);
      });
    }
    return clients;
  };
  const tokens = [{ kid: "test", secret: Buffer.alloc(32, 7) }];
  const log = pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" });
  const ground = (who: string, over: Partial<CloudOptions>) => {
    const { dynamo, s3 } = counted(endpoint, who);
    const { sqs } = counted(bellEndpoint, who);
    return createCloudGround({
      table,
      bucket,
      queuePrefix,
      tokens,
      log,
      clients: { dynamo, s3, sqs },
      ...over,
    });
  };
  const agentGround = ground("agent's ground", { ...forUsers, ...forAgents });
  const listening = counted(bellEndpoint, "agent");
  const bells: SqsDoorbell[] = [];
  const world = await worldOn({
    data: await mkdtemp(join(tmpdir(), "perigee-cloud-world-")),
    log,
    ground: ground("user's ground", forUsers),
    agentGround,
    listen(edge) {
      const bell = new SqsDoorbell({
        client: listening.sqs,
        queueUrl: queuePrefix + edge,
        pauseMs: { first: 50, longest: 500 },
      });
      bells.push(bell);
      return bell;
    },
  });
  return {
    ...world,
    agentGround,
    calls,
    aws,
    table,
    bucket,
    /** URL of an edge's queue, and its name */
    queue: (edge: string) => ({ url: queuePrefix + edge, name: prefix + edge }),
    async close() {
      for (const bell of bells) bell.close();
      await world.close();
      await agentGround.close();
      listening.close();
      await dropTable(aws.dynamo, table);
      aws.close();
    },
  };
}

type Next = (args: unknown) => Promise<unknown>;
/** What the clients have in common, whatever their commands are. */
type AnyClient = {
  middlewareStack: {
    add(
      middleware: (next: Next, context: { commandName?: string }) => Next,
      options: { step: "deserialize"; priority: "low" },
    ): void;
  };
};

/** Tells of every request a client sends, for example "GetItem", and its input. Innermost: what is sent again, counts again. */
export function onRequest(client: unknown, tell: (command: string, input: object) => void): void {
  (client as AnyClient).middlewareStack.add(
    (next, { commandName = "" }) => {
      return (args) => {
        tell(commandName.replace(/Command$/, ""), (args as { input: object }).input);
        return next(args);
      };
    },
    { step: "deserialize", priority: "low" },
  );
}

import { randomBytes } from "node:crypto";
import {
  CreateTableCommand,
  DeleteTableCommand,
  type DynamoDBClient,
  type DynamoDBServiceException,
} from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, type S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { awsClients } from "#lambdas/adapters/aws/aws-clients.ts";

export const REGION = "us-east-1";
/** What LocalStack takes for anybody. */
export const CREDENTIALS = { accessKeyId: "test", secretAccessKey: "test" };

/** Clients of the AWS at `endpoint`; `close` ends them. */
export function awsAt(endpoint: string) {
  const clients = awsClients({ endpoint, region: REGION, credentials: CREDENTIALS });
  return {
    ...clients,
    close() {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}

/** A name that nobody else has. */
export function uniqueName(what: string): string {
  return `perigee-${what}-${randomBytes(6).toString("hex")}`;
}

/** LocalStack's database starts with the first request: on a busy machine that takes longer than the SDK tries for. */
const DATABASE_MS = 180_000;

/** Makes the ledger's table. @returns its name */
export async function makeTable(dynamo: DynamoDBClient, name = uniqueName("table")): Promise<string> {
  const end = performance.now() + DATABASE_MS;
  for (let calls = 1; ; calls++) {
    try {
      await dynamo.send(createTable(name));
      return name;
    } catch (error) {
      const { name: what, $metadata } = error as DynamoDBServiceException;
      // a request that was given up was carried out, and then sent again
      if (what === "ResourceInUseException" && (calls > 1 || ($metadata.attempts ?? 1) > 1)) return name;
      if (what !== "TimeoutError" || performance.now() > end) throw error;
    }
  }
}

function createTable(name: string): CreateTableCommand {
  return new CreateTableCommand({
    TableName: name,
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: [
      { AttributeName: "pk", KeyType: "HASH" },
      { AttributeName: "sk", KeyType: "RANGE" },
    ],
    AttributeDefinitions: [
      { AttributeName: "pk", AttributeType: "S" },
      { AttributeName: "sk", AttributeType: "S" },
    ],
  });
}

export async function dropTable(dynamo: DynamoDBClient, name: string): Promise<void> {
  await dynamo.send(new DeleteTableCommand({ TableName: name }));
}

export async function makeBucket(s3: S3Client, name = uniqueName("bucket")): Promise<string> {
  await s3.send(new CreateBucketCommand({ Bucket: name }));
  return name;
}

/** Makes a queue as an edge has it. @returns its URL */
export async function makeQueue(sqs: SQSClient, name: string): Promise<string> {
  const made = await sqs.send(
    new CreateQueueCommand({
      QueueName: name,
      Attributes: { VisibilityTimeout: "5", MessageRetentionPeriod: "300" },
    }),
  );
  return made.QueueUrl!;
}

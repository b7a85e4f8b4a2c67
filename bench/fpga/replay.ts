import {
  BatchGetItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from "@aws-sdk/client-s3";
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { AwsClients } from "#lambdas/adapters/aws/aws-clients.ts";

/** A request that was made: its name, and what was asked. */
export type Sent = { who: string; command: string; input: object };

type Item = Record<string, unknown>;
type Made = new (input: never) => never;

const DYNAMO: Record<string, Made> = {
  BatchGetItem: BatchGetItemCommand,
  DeleteItem: DeleteItemCommand,
  GetItem: GetItemCommand,
  PutItem: PutItemCommand,
  Query: QueryCommand,
  TransactWriteItems: TransactWriteItemsCommand,
} as never;
const S3: Record<string, Made> = {
  CopyObject: CopyObjectCommand,
  DeleteObject: DeleteObjectCommand,
  DeleteObjects: DeleteObjectsCommand,
  GetObject: GetObjectCommand,
  HeadObject: HeadObjectCommand,
  ListMultipartUploads: ListMultipartUploadsCommand,
  ListObjectsV2: ListObjectsV2Command,
} as never;

/** AWS requests as a ground has made them, made again one after the other, on a table and a queue of their own. */
export class Replay {
  readonly #aws: AwsClients;
  readonly #at: { table: string; queueUrl: string };

  constructor(aws: AwsClients, at: { table: string; queueUrl: string }) {
    this.#aws = aws;
    this.#at = at;
  }

  /** Those of grounds: how often an agent's doorbell asks in vain says nothing of them. */
  static ofGround(sent: readonly Sent[]): Sent[] {
    return sent.filter(({ who }) => who !== "agent");
  }

  async make(calls: readonly Sent[]): Promise<void> {
    for (const { command, input } of calls) await this.#make(command, input);
  }

  async #make(command: string, input: object): Promise<void> {
    const { sqs } = this.#aws;
    if (command === "SendMessage") {
      const QueueUrl = this.#at.queueUrl;
      await sqs.send(new SendMessageCommand({ ...(input as { MessageBody: string }), QueueUrl }));
      // what the doorbell of the agent does: receive the message and delete it
      const heard = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
      const { ReceiptHandle } = heard.Messages![0]!;
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      return;
    }
    const [inTable, inBucket] = [DYNAMO[command], S3[command]];
    if (inTable) await this.#aws.dynamo.send(new inTable(this.#onTable(input) as never));
    else if (inBucket) {
      const answer: object = await this.#aws.s3.send(new inBucket(input as never));
      await (answer as GetObjectCommandOutput).Body?.transformToByteArray();
    } else throw new Error(`${command} is not known here`);
  }

  /** The same on the other table; what was conditional holds there, whatever was written before. */
  #onTable(input: object): object {
    const { ConditionExpression: _, ...of } = input as Item;
    const table = this.#at.table;
    if (of.RequestItems) return { ...of, RequestItems: { [table]: Object.values(of.RequestItems)[0] } };
    if (!of.TransactItems) return { ...withValues(input as Item), TableName: table };
    const writes = (of.TransactItems as Record<string, Item>[]).map((item) => {
      const [[kind, write]] = Object.entries(item) as [[string, Item]];
      if (kind === "ConditionCheck") return { ConditionCheck: { ...write, TableName: table } };
      return { [kind]: { ...withValues(write), TableName: table } };
    });
    const { ClientRequestToken: _token, ...rest } = of;
    return { ...rest, TransactItems: writes };
  }
}

/** Without a condition, and without the values and names that only the condition has. */
function withValues({ ConditionExpression: condition, ...write }: Item): Item {
  if (condition === undefined || write.UpdateExpression || write.KeyConditionExpression) return write;
  const { ExpressionAttributeValues: _values, ExpressionAttributeNames: _names, ...rest } = write;
  return rest;
}

import { BatchGetItemCommand, GetItemCommand, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { AwsClients } from "#lambdas/adapters/aws/aws-clients.ts";

/** About what an edge's and a command's record take, as JSON. */
const EDGE = "e".repeat(300);
const COMMAND = "c".repeat(600);

/** The AWS requests of one small command, and nothing else: made one after the other, with items of the same size. */
export async function bareCloudCalls(
  { dynamo, sqs }: Pick<AwsClients, "dynamo" | "sqs">,
  at: { table: string; queueUrl: string },
): Promise<void> {
  const key = (name: string) => ({ pk: { S: "bench" }, sk: { S: name } });
  const get = (name: string) =>
    dynamo.send(new GetItemCommand({ TableName: at.table, Key: key(name), ConsistentRead: true }));
  const getBoth = () =>
    dynamo.send(
      new BatchGetItemCommand({
        RequestItems: { [at.table]: { Keys: [key("edge"), key("command")], ConsistentRead: true } },
      }),
    );
  const put = (name: string, data: string) => ({
    Put: { TableName: at.table, Item: { ...key(name), rev: { N: "1" }, data: { S: data } } },
  });
  const putBoth = () =>
    dynamo.send(
      new TransactWriteItemsCommand({ TransactItems: [put("edge", EDGE), put("command", COMMAND)] }),
    );

  // submit and ring
  await getBoth();
  await putBoth();
  await sqs.send(new SendMessageCommand({ QueueUrl: at.queueUrl, MessageBody: "ring" }));
  // hear
  const heard = await sqs.send(new ReceiveMessageCommand({ QueueUrl: at.queueUrl, WaitTimeSeconds: 20 }));
  const ReceiptHandle = heard.Messages?.[0]?.ReceiptHandle;
  await sqs.send(new DeleteMessageCommand({ QueueUrl: at.queueUrl, ReceiptHandle }));
  // claim
  await get("edge");
  await putBoth();
  // report
  await getBoth();
  await putBoth();
  // learn of it
  await get("command");
}

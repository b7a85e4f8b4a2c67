import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Hono } from "hono";
import { handle } from "hono/aws-lambda";

/** The least that a Lambda with Hono and our AWS clients is: one route that could use each of them. */
const dynamo = new DynamoDBClient({});
const s3 = new S3Client({});
const sqs = new SQSClient({});
const secrets = new SecretsManagerClient({});
const app = new Hono().get("/:name", async (c) => {
  const name = c.req.param("name");
  const object = new GetObjectCommand({ Bucket: name, Key: name });
  return c.json([
    await dynamo.send(new GetItemCommand({ TableName: name, Key: { pk: { S: name } } })),
    await sqs.send(new SendMessageCommand({ QueueUrl: name, MessageBody: name })),
    await secrets.send(new GetSecretValueCommand({ SecretId: name })),
    await getSignedUrl(s3, object, { expiresIn: 60 }),
  ]);
});
export const handler = handle(app);

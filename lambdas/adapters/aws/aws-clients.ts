import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import type { AwsPlace } from "./client-settings.ts";
import { clientsAtStart } from "./clients-at-start.ts";
import { s3Client } from "./s3-client.ts";

export type AwsClients = { dynamo: DynamoDBClient; s3: S3Client; sqs: SQSClient };

/** The clients of the ground's adapters. The caller has to destroy them. */
export function awsClients(place: AwsPlace): AwsClients {
  return { ...clientsAtStart(place), s3: s3Client(place) };
}

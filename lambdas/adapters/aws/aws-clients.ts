import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { type PooledAgentsOptions, pooledAgents } from "./pooled-agents.ts";

/**
 * Region, endpoint and credentials of AWS. What is absent comes from the SDK's default chain (AWS_REGION,
 * AWS_ENDPOINT_URL, the role of a Lambda or container, …).
 */
export type AwsPlace = {
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
};

/** A connection on which nothing is received for this long (ms) is given up, and the request is retried. */
const SILENCE_MS = 10_000;
const ATTEMPTS = 4;

/**
 * Settings for one client: connections are kept alive, idle time and retries are bounded, and waiting for a connection
 * of the pool does not count as idle time. Each client needs settings of its own, since it destroys its pool.
 */
export function clientSettings(place: AwsPlace, pool?: PooledAgentsOptions) {
  return {
    ...(place.region && { region: place.region }),
    ...(place.endpoint && { endpoint: place.endpoint }),
    ...(place.credentials && { credentials: place.credentials }),
    maxAttempts: ATTEMPTS,
    requestHandler: { socketTimeout: SILENCE_MS, ...pooledAgents(pool) },
  };
}

export type AwsClients = { dynamo: DynamoDBClient; s3: S3Client; sqs: SQSClient };

/** The clients of the ground's adapters. The caller has to destroy them. */
export function awsClients(place: AwsPlace, env: NodeJS.ProcessEnv = process.env): AwsClients {
  const elsewhere = place.endpoint ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  return {
    dynamo: new DynamoDBClient(clientSettings(place)),
    s3: new S3Client({
      ...clientSettings(place),
      // With custom agents the SDK would send `Expect: 100-continue` without waiting for the answer.
      expectContinueHeader: false,
      // Otherwise signed URLs contain the checksum of an empty body, and S3 refuses every PUT to them.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // no DNS name `<bucket>.<endpoint>` exists for a custom endpoint
      forcePathStyle: elsewhere !== undefined,
    }),
    // All queues of a deployment are at the client's endpoint; the host in their URLs is ignored.
    sqs: new SQSClient({ ...clientSettings(place), useQueueUrlAsEndpoint: false }),
  };
}

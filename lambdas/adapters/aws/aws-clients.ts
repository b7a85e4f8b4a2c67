import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { type PooledAgentsOptions, pooledAgents } from "./pooled-agents.ts";

/**
 * Where AWS is and who asks. What is absent is found by the SDK's own default chain (AWS_REGION,
 * AWS_ENDPOINT_URL, the role of a Lambda or container, …).
 */
export type AwsPlace = {
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
};

/** A connection on which nothing moves for this long (ms) is given up, and the request tried again. */
const SILENCE_MS = 10_000;
const ATTEMPTS = 4;

/**
 * Settings of one client of ours: connections are kept, silence and repeats are bounded, and a request that waits
 * for a connection of its pool is not silent. Each client needs its own: it destroys its pool.
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

/** The clients of the ground's adapters; who makes them destroys them. */
export function awsClients(place: AwsPlace, env: NodeJS.ProcessEnv = process.env): AwsClients {
  const elsewhere = place.endpoint ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  return {
    dynamo: new DynamoDBClient(clientSettings(place)),
    s3: new S3Client({
      ...clientSettings(place),
      // With agents of one's own the SDK would send the header and not wait for the answer.
      expectContinueHeader: false,
      // Else signed URLs would hold the checksum of an empty body, and every PUT to them would be refused.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // bucket.endpoint is no name that anybody resolves
      forcePathStyle: elsewhere !== undefined,
    }),
    // The queues of a deployment are all where its client is; the host in their URLs says nothing more.
    sqs: new SQSClient({ ...clientSettings(place), useQueueUrlAsEndpoint: false }),
  };
}

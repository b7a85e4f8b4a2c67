import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";

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
const CONNECT_MS = 3_000;
const SOCKETS = 100;
const ATTEMPTS = 4;

/** Settings of every client of ours: connections are kept, silence and repeats are bounded. */
export function clientSettings(place: AwsPlace) {
  const agent = { keepAlive: true, maxSockets: SOCKETS };
  return {
    ...(place.region && { region: place.region }),
    ...(place.endpoint && { endpoint: place.endpoint }),
    ...(place.credentials && { credentials: place.credentials }),
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      httpsAgent: agent,
      httpAgent: agent,
    },
  };
}

export type AwsClients = { dynamo: DynamoDBClient; s3: S3Client; sqs: SQSClient };

/** The clients of the ground's adapters; who makes them destroys them. */
export function awsClients(place: AwsPlace, env: NodeJS.ProcessEnv = process.env): AwsClients {
  const settings = clientSettings(place);
  const elsewhere = place.endpoint ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  return {
    dynamo: new DynamoDBClient(settings),
    s3: new S3Client({
      ...settings,
      // Else signed URLs would hold the checksum of an empty body, and every PUT to them would be refused.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // bucket.endpoint is no name that anybody resolves
      forcePathStyle: elsewhere !== undefined,
    }),
    // The queues of a deployment are all where its client is; the host in their URLs says nothing more.
    sqs: new SQSClient({ ...settings, useQueueUrlAsEndpoint: false }),
  };
}

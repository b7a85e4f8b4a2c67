import type { DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { SQSClientConfig } from "@aws-sdk/client-sqs";

/** Where AWS is; credentials come by the SDK's own default chain. Both default as the SDK does. */
export type AwsPlace = { region?: string; endpoint?: string };

/** Longest silence (ms) of a connection to an AWS service before the request is tried again. */
const SILENCE_MS = 10_000;
const CONNECT_MS = 3_000;

/** Settings of every client: connections are kept, silence is bounded, a failed request is tried four times in all. */
export function clientSettings(
  place: AwsPlace,
  sockets = 100,
): Pick<
  DynamoDBClientConfig & S3ClientConfig & SQSClientConfig,
  "region" | "endpoint" | "maxAttempts" | "requestHandler"
> {
  return {
    ...(place.region && { region: place.region }),
    ...(place.endpoint && { endpoint: place.endpoint }),
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      httpsAgent: { keepAlive: true, maxSockets: sockets },
      httpAgent: { keepAlive: true, maxSockets: sockets },
    },
  };
}

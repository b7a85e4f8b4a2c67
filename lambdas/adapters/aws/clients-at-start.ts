import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SQSClient } from "@aws-sdk/client-sqs";
import { type AwsPlace, clientSettings } from "./client-settings.ts";

/** The clients of what every request needs, ledger and doorbell. The caller has to destroy them. */
export function clientsAtStart(place: AwsPlace): { dynamo: DynamoDBClient; sqs: SQSClient } {
  return {
    dynamo: new DynamoDBClient(clientSettings(place)),
    // All queues of a deployment are at the client's endpoint; the host in their URLs is ignored.
    sqs: new SQSClient({ ...clientSettings(place), useQueueUrlAsEndpoint: false }),
  };
}

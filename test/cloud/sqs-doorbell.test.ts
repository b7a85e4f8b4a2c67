import { inject } from "vitest";
import { SqsDoorbell as Listener } from "#agent/ground/sqs-doorbell.ts";
import { SqsDoorbell } from "#lambdas/adapters/sqs/doorbell.ts";
import { doorbellConformance } from "#test/conformance/doorbell.ts";
import { awsAt, makeQueue, uniqueName } from "./support/aws.ts";

const endpoint = inject("awsEndpoint");
/** The suite numbers its edges from 0. */
const EDGES = 60;

doorbellConformance("SQS", async () => {
  const aws = awsAt(endpoint);
  const prefix = `${uniqueName("bell")}-`;
  const urls: string[] = [];
  for (let i = 0; i < EDGES; i++) urls.push(await makeQueue(aws.sqs, `${prefix}edge-${i}`));
  const queuePrefix = urls[0]!.slice(0, -"edge-0".length);
  const listeners: Listener[] = [];
  return {
    doorbell: new SqsDoorbell({ client: aws.sqs, queuePrefix }),
    listen(edge) {
      const listener = new Listener({ client: aws.sqs, queueUrl: queuePrefix + edge });
      listeners.push(listener);
      return listener;
    },
    async close() {
      for (const listener of listeners) listener.close();
      aws.close();
    },
  };
});

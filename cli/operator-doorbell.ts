import { type GroundOptions, groundPlace } from "./operator-data.ts";

/**
 * Does the doorbell queue of an edge in the cloud not exist? Edges are records of the ledger, made by the operator;
 * queues and the agents' identities are made by the deployment (`-c edges=…`). Checked only where
 * PERIGEE_QUEUE_PREFIX says what the queues are called.
 */
export async function lacksDoorbell(ground: GroundOptions, edge: string): Promise<boolean> {
  const prefix = process.env.PERIGEE_QUEUE_PREFIX;
  if (!prefix || !("table" in groundPlace(ground))) return false;
  const [{ GetQueueUrlCommand, QueueDoesNotExist, SQSClient }, { clientSettings }] = await Promise.all([
    import("@aws-sdk/client-sqs"),
    import("#lambdas/adapters/aws/client-settings.ts"),
  ]);
  const client = new SQSClient(clientSettings({}));
  try {
    await client.send(new GetQueueUrlCommand({ QueueName: `${prefix}${edge}` }));
    return false;
  } catch (error) {
    if (error instanceof QueueDoesNotExist) return true;
    throw error;
  } finally {
    client.destroy();
  }
}

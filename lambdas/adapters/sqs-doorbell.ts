import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { Doorbell } from "../ports/doorbell.ts";

/** A bell that does not ring within this (ms) is left alone: the edge looks by itself every few seconds. */
const RING_MS = 3_000;

export type SqsDoorbellOptions = {
  client: SQSClient;
  /** An edge's queue is at this URL followed by the edge's id. */
  queuePrefix: string;
  /** told of a ring that did not go out; must not throw */
  onError?: (error: unknown, edge: string) => void;
};

/** The ground's end of the doorbell: one queue for each edge, and a message without content is a ring. */
export class SqsDoorbell implements Doorbell {
  readonly #options: SqsDoorbellOptions;

  constructor(options: SqsDoorbellOptions) {
    this.#options = options;
  }

  async ring(edge: string): Promise<void> {
    const { client, queuePrefix, onError } = this.#options;
    const send = new SendMessageCommand({ QueueUrl: queuePrefix + edge, MessageBody: "ring" });
    try {
      await client.send(send, { abortSignal: AbortSignal.timeout(RING_MS) });
    } catch (error) {
      onError?.(error, edge);
    }
  }
}

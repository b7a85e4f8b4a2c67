import { GetQueueUrlCommand, SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { Doorbell } from "../../ports/doorbell.ts";

/** A bell that does not ring within this (ms) is left alone: the edge looks by itself every few seconds. */
const RING_MS = 3_000;

export type SqsDoorbellOptions = {
  client: SQSClient;
  /**
   * Beginning of the queues' URLs, which the edge's id completes. A beginning of their names does too: then
   * SQS is asked once for each edge.
   */
  queuePrefix: string;
  /** told of a ring that did not go out; must not throw */
  onError?: (error: unknown, edge: string) => void;
};

/** The ground's end of the doorbell: one queue for each edge, and a message without content is a ring. */
export class SqsDoorbell implements Doorbell {
  readonly #options: SqsDoorbellOptions;
  readonly #urls = new Map<string, string>();

  constructor(options: SqsDoorbellOptions) {
    this.#options = options;
  }

  async ring(edge: string): Promise<void> {
    const abortSignal = AbortSignal.timeout(RING_MS);
    try {
      const QueueUrl = await this.#url(edge, abortSignal);
      const send = new SendMessageCommand({ QueueUrl, MessageBody: "ring" });
      await this.#options.client.send(send, { abortSignal });
    } catch (error) {
      this.#options.onError?.(error, edge);
    }
  }

  async #url(edge: string, abortSignal: AbortSignal): Promise<string> {
    const { client, queuePrefix } = this.#options;
    if (queuePrefix.includes("://")) return queuePrefix + edge;
    const known = this.#urls.get(edge);
    if (known) return known;
    const ask = new GetQueueUrlCommand({ QueueName: queuePrefix + edge });
    const url = (await client.send(ask, { abortSignal })).QueueUrl!;
    this.#urls.set(edge, url);
    return url;
  }
}

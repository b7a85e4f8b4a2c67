import { GetQueueUrlCommand, SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { Doorbell } from "../../ports/doorbell.ts";

/** A ring that takes longer than this (ms) is given up: the agent polls every few seconds anyway. */
const RING_MS = 3_000;

export type SqsDoorbellOptions = {
  client: SQSClient;
  /**
   * Prefix of the queues' URLs, which the edge's id completes. A prefix of their names works too: then SQS is asked
   * for the URL once per edge.
   */
  queuePrefix: string;
  /** called when a ring could not be sent; must not throw */
  onError?: (error: unknown, edge: string) => void;
};

/** The ground's end of the doorbell: one queue per edge; a ring is a message without content. */
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

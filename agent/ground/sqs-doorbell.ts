import { setTimeout as sleep } from "node:timers/promises";
import {
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { backoffMs } from "#protocol/backoff.ts";
import { DOORBELL_WAIT_S, type DoorbellListener } from "#protocol/doorbell.ts";

export type SqsDoorbellOptions = {
  client: SQSClient;
  queueUrl: string;
  /** first and longest pause after an error, in ms (default 500 and 30,000) */
  pauseMs?: { first: number; longest: number };
  /** grace over the wait before a silent connection is given up, in ms (default 30,000) */
  graceMs?: number;
  /** a poll is not begun anew before this, in ms (default 10,000) */
  youngMs?: number;
  /** after which what was heard is deleted, in ms (default 500) */
  forgetMs?: number;
  /** told of every failed poll; must not throw */
  onError?: (error: Error) => void;
  /** 0 to 1 (default Math.random) */
  random?: () => number;
};

/** Rings that came meanwhile mean the same: as many as SQS gives are heard at once. */
const RINGS_AT_ONCE = 10;
/** A ring that was given to a process which died comes again after this many seconds. */
const HIDDEN_S = 5;
const YOUNG_MS = 10_000;
/** A deletion is given up after this (ms). One that comes late costs a claim. */
const DELETE_MS = 30_000;
/** What was heard is deleted after this (ms), together: just now the agent has a command to claim. */
const FORGET_MS = 500;

/**
 * The agent's end of the doorbell on its own SQS queue. One long poll is under way at a time and outlives the
 * wait that began it, so that no ring is lost to a wait that was cut short, and short waits cost no requests.
 * What was heard is deleted. Never throws: after errors (a queue that is gone, no network) it pauses, each time
 * longer up to a bound, with jitter; the agent meanwhile asks the ground by itself.
 */
export class SqsDoorbell implements DoorbellListener {
  readonly #options: SqsDoorbellOptions;
  readonly #closed = new AbortController();
  #rung = false;
  #poll: Promise<void> | undefined;
  /** ends the present poll, or its pause */
  #anew = new AbortController();
  #askedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #sleepUntil = 0;
  /** receipts of what was heard and is not deleted yet */
  #heard: string[] = [];
  #forgetting: NodeJS.Timeout | undefined;

  constructor(options: SqsDoorbellOptions) {
    this.#options = options;
  }

  async wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    const over = AbortSignal.any([this.#closed.signal, ...(signal ? [signal] : [])]);
    const end = performance.now() + ms;
    while (!over.aborted) {
      if (this.#rung) {
        this.#rung = false;
        return true;
      }
      const left = end - performance.now();
      if (left <= 0) return false;
      this.#poll ??= this.#listen().finally(() => {
        this.#poll = undefined;
      });
      await endOf(this.#poll, left, over);
    }
    return false;
  }

  /**
   * Contact may be back: a poll that is old may never be answered. A younger one is left alone: each is a request, and
   * the queue is not the ground. A ring that the poll was given comes again.
   */
  again(): void {
    this.#failures = 0;
    this.#sleepUntil = 0;
    if (performance.now() - this.#askedAt < (this.#options.youngMs ?? YOUNG_MS)) return;
    this.#anew.abort();
    this.#anew = new AbortController();
  }

  /** Ends the poll that is under way; every wait is over. A ring that is not deleted yet is heard once more. */
  close(): void {
    clearTimeout(this.#forgetting);
    this.#closed.abort();
  }

  /** One long poll, or a pause after an error. Never rejects. */
  async #listen(): Promise<void> {
    const { client, queueUrl, graceMs = 30_000, onError } = this.#options;
    const closed = this.#closed.signal;
    const over = AbortSignal.any([closed, this.#anew.signal]);
    const pause = this.#sleepUntil - performance.now();
    if (pause > 0) {
      this.#askedAt = Number.NEGATIVE_INFINITY;
      await sleep(pause, undefined, { signal: over }).catch(() => {});
      return;
    }
    this.#askedAt = performance.now();
    try {
      const receive = new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        WaitTimeSeconds: DOORBELL_WAIT_S,
        MaxNumberOfMessages: RINGS_AT_ONCE,
        VisibilityTimeout: HIDDEN_S,
      });
      const late = AbortSignal.timeout(DOORBELL_WAIT_S * 1000 + graceMs);
      const { Messages = [] } = await client.send(receive, { abortSignal: AbortSignal.any([over, late]) });
      this.#failures = 0;
      if (Messages.length === 0) return;
      this.#rung = true;
      this.#heard.push(...Messages.map(({ ReceiptHandle }) => ReceiptHandle!));
      if (this.#heard.length >= RINGS_AT_ONCE) this.#forget();
      else this.#forgetting ??= setTimeout(() => this.#forget(), this.#options.forgetMs ?? FORGET_MS);
    } catch (error) {
      if (over.aborted) return;
      onError?.(error as Error);
      this.#sleepUntil = performance.now() + this.#pauseMs(this.#failures++);
    }
  }

  /** Deletes what was heard. One that stays rings once more, which costs a claim. */
  #forget(): void {
    clearTimeout(this.#forgetting);
    this.#forgetting = undefined;
    while (this.#heard.length > 0) void this.#delete(this.#heard.splice(0, RINGS_AT_ONCE));
  }

  async #delete(handles: string[]): Promise<void> {
    const { client, queueUrl, onError } = this.#options;
    const abortSignal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(DELETE_MS)]);
    const [only] = handles;
    const remove =
      handles.length === 1
        ? client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: only }), { abortSignal })
        : client.send(
            new DeleteMessageBatchCommand({
              QueueUrl: queueUrl,
              Entries: handles.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle })),
            }),
            { abortSignal },
          );
    await remove.catch((error: unknown) => {
      if (!this.#closed.signal.aborted) onError?.(error as Error);
    });
  }

  #pauseMs(failures: number): number {
    const { pauseMs: { first, longest } = { first: 500, longest: 30_000 }, random } = this.#options;
    return backoffMs(first, longest, failures, random);
  }
}

/** Until `work` is done, `ms` have passed or `signal` aborts. */
async function endOf(work: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const timer = sleep(ms, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => {});
  await Promise.race([work, timer]);
  over.abort();
}

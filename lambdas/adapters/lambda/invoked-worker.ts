import type { SQSClient } from "@aws-sdk/client-sqs";
import type { Worker } from "../../ports/worker.ts";

/** A wake that takes longer than this (ms) is given up: the janitor asks again. */
const WAKE_MS = 3_000;

export type InvokedWorkerOptions = {
  /** one that signs, of the same account and region: a client for Lambda alone would be a tenth of a bundle */
  client: SQSClient;
  /** of the function's invocations: `https://lambda.<region>.amazonaws.com/2015-03-31/functions/<name>/invocations` */
  url: string;
  /** instead of that address's host, for emulators */
  endpoint?: string;
  /** called when the function was not invoked; must not throw */
  onError?: (error: unknown) => void;
};

/** The worker as a Lambda of its own, invoked without waiting for its end. */
export class InvokedWorker implements Worker {
  readonly #options: InvokedWorkerOptions;

  constructor(options: InvokedWorkerOptions) {
    this.#options = options;
  }

  async wake(): Promise<void> {
    const { client, url, endpoint, onError } = this.#options;
    try {
      // the host that an emulator's stack names may be no host
      const path = url.replace(/^https?:\/\/[^/]*/, "");
      const at = endpoint === undefined ? new URL(url) : new URL(path, endpoint);
      const signer = await client.config.signer();
      const { method, headers, body } = await signer.sign(
        {
          method: "POST",
          protocol: at.protocol,
          hostname: at.hostname,
          path: at.pathname,
          query: {},
          headers: { host: at.host, "x-amz-invocation-type": "Event" },
          body: "{}",
        },
        { signingService: "lambda" },
      );
      const answer = await fetch(at, { method, headers, body, signal: AbortSignal.timeout(WAKE_MS) });
      const text = await answer.text();
      if (answer.status !== 202) throw new Error(`the worker was not invoked: ${answer.status} ${text}`);
    } catch (error) {
      onError?.(error);
    }
  }
}

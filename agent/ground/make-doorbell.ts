import type { Logger } from "pino";
import { DOORBELL_WAIT_S, type DoorbellListener } from "#protocol/doorbell.ts";
import type { AgentConfig, AgentEnvironment } from "../config.ts";
import { HttpDoorbell } from "./http-doorbell.ts";

/** A connection on which nothing moves for this long (ms) is dead: longer than a long poll's silence. */
const SILENCE_MS = DOORBELL_WAIT_S * 1000 + 30_000;
const CONNECT_MS = 30_000;

/** The doorbell that the configuration names. */
export async function makeDoorbell(
  environment: Pick<AgentEnvironment, "ground" | "token">,
  { doorbell }: Pick<AgentConfig, "doorbell">,
  log: Logger,
): Promise<DoorbellListener & { close(): void }> {
  const onError = (error: Error) => log.debug({ err: error }, "the doorbell cannot be heard");
  if (doorbell === "http") {
    const bell = new HttpDoorbell({ ground: environment.ground, token: environment.token, onError });
    return { wait: (ms, signal) => bell.wait(ms, signal), close: () => {} };
  }
  // Only here: other agents are spared loading the client.
  const { SQSClient } = await import("@aws-sdk/client-sqs");
  const { SqsDoorbell } = await import("./sqs-doorbell.ts");
  const { queueUrl, region, endpoint } = doorbell.sqs;
  const client = new SQSClient({
    region,
    ...(endpoint && { endpoint, useQueueUrlAsEndpoint: false }),
    // The doorbell pauses and tries again by itself.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      // The SDK counts waiting for a socket as connecting. Here few are open, so that none need be waited for.
      httpAgent: { maxSockets: Number.POSITIVE_INFINITY, proxyEnv: { ...process.env } },
      httpsAgent: { maxSockets: Number.POSITIVE_INFINITY, proxyEnv: { ...process.env } },
    },
  });
  const bell = new SqsDoorbell({ client, queueUrl, onError });
  return {
    wait: (ms, signal) => bell.wait(ms, signal),
    again: () => bell.again(),
    close() {
      bell.close();
      client.destroy();
    },
  };
}

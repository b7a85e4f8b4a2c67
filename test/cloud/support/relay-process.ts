import { pino } from "pino";
import type { CloudPlaces } from "#lambdas/cloud.ts";
import { createCloudGround } from "#lambdas/cloud.ts";
import { sharedRelay } from "#lambdas/live/open-relay.ts";
import { serveGround } from "#lambdas/serve-ground.ts";

export type RelayProcessOptions = CloudPlaces & { url: string; token: string };

/** A server of a deployment, as a process that can be killed: what it is to be is its one argument, as JSON. */
const { url, token, ...places } = JSON.parse(process.argv[2]!) as RelayProcessOptions;
const ground = createCloudGround({
  ...places,
  tokens: [{ kid: "test", secret: Buffer.from(token, "hex") }],
  log: pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" }),
  live: { url, relay: sharedRelay },
});
const served = await serveGround(ground, { host: "127.0.0.1", port: 0 });
pino().info({ url: served.url }, "ready");

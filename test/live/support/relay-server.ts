import { pino } from "pino";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import { sharedRelay } from "#lambdas/live/open-relay.ts";
import type { StoredPlaceOptions } from "#lambdas/live/relay/relay-place.ts";
import { serveGround } from "#lambdas/serve-ground.ts";

/** One of several servers on one data directory, as a process that can be killed: its one argument is this as JSON. */
export type RelayServerOptions = { data: string; place: StoredPlaceOptions };

const { data, place } = JSON.parse(process.argv[2]!) as RelayServerOptions;
const log = pino();
const ground = await createEmbeddedGround({ data, log, live: { relay: sharedRelay, tuning: { place } } });
const served = await serveGround(ground, { host: "127.0.0.1", port: 0 });
log.info({ url: served.url }, "ready");

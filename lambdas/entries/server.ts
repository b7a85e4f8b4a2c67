import { join } from "node:path";
import { pino } from "pino";
import { createEmbeddedGround } from "../embedded.ts";
import { serve } from "../http/serve.ts";

/**
 * The ground as one server. Environment:
 * PERIGEE_DATA (./.perigee), PERIGEE_HOST (127.0.0.1), PERIGEE_PORT (8080, 0 = any free),
 * PERIGEE_QUOTA (bytes per user), PERIGEE_TRUST_PROXY (1 = believe X-Forwarded-For), PERIGEE_LOG_LEVEL (info).
 * Says `{"msg":"ready","url":…}` when it serves; SIGTERM and SIGINT stop it.
 */
const JANITOR_MS = 60_000;
const CLOSE_MS = 5_000;

const environment = process.env;
const log = pino({ name: "perigee-ground", level: environment.PERIGEE_LOG_LEVEL ?? "info" });
const ground = await createEmbeddedGround({
  data: environment.PERIGEE_DATA ?? join(process.cwd(), ".perigee"),
  log,
  trustProxy: environment.PERIGEE_TRUST_PROXY === "1",
  ...(environment.PERIGEE_QUOTA && { quota: Number(environment.PERIGEE_QUOTA) }),
});
// The only server of this data: uploads that an earlier one was taking are over.
await ground.janitor.round(0);
const sweep = setInterval(() => {
  ground.janitor.round().catch((error: unknown) => log.error({ err: error }, "janitor failed"));
}, JANITOR_MS);
const server = await serve(ground.app, {
  host: environment.PERIGEE_HOST ?? "127.0.0.1",
  port: Number(environment.PERIGEE_PORT ?? 8080),
});

let stopping = false;
const stop = async (signal: string) => {
  if (stopping) return;
  stopping = true;
  log.info({ signal }, "stopping");
  clearInterval(sweep);
  await server.close(CLOSE_MS);
  await ground.close();
  process.exit(0);
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
// Whoever started us waits for this line, whatever the log level is
pino({ name: "perigee-ground" }).info({ url: server.url }, "ready");

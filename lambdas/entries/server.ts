import { join } from "node:path";
import { pino } from "pino";
import { assetsFolder } from "../assets/assets-folder.ts";
import { consoleFolder } from "../console/console-folder.ts";
import { checkLoopbackOnly } from "../dialects/own-settings.ts";
import { groundSettings } from "../ground-settings.ts";
import { groundPort } from "../http/port.ts";
import { readTlsFiles } from "../http/tls-files.ts";
import { serveGround } from "../serve-ground.ts";

/**
 * The ground as one server, everything in one directory, or on a deployment's table, bucket and queues when
 * PERIGEE_TABLE names one (then any number of servers and Lambdas may serve it). Environment:
 * PERIGEE_DATA (./.perigee), or, besides it, PERIGEE_TABLE, PERIGEE_BUCKET, PERIGEE_QUEUE_PREFIX, PERIGEE_TOKEN_SECRET (name
 * or ARN in Secrets Manager), with FPGA images PERIGEE_OBJECTS, PERIGEE_SEAL_SECRET and, where there is one, PERIGEE_WORKER
 * (cloud.ts), and what the AWS SDK reads; PERIGEE_HOST (127.0.0.1), PERIGEE_PORT (8080, 0 = any free),
 * PERIGEE_TLS_CERT and PERIGEE_TLS_KEY (PEM files: every listener speaks HTTPS; SIGHUP reads them again),
 * PERIGEE_TRUST_PROXY (1 = believe X-Forwarded-For, -Host and -Proto), PERIGEE_KEEP_ALIVE_SECONDS (65; longer than a
 * proxy in front keeps its connections), PERIGEE_LOG_LEVEL (info), PERIGEE_CONSOLE (on; off), and what ground-settings.ts reads. Says `{"msg":"ready","url":…}` when it serves; SIGTERM and SIGINT stop it.
 */
const JANITOR_MS = 60_000;
const CLOUD_JANITOR_MS = 5 * 60_000;
const CLOSE_MS = 5_000;

const environment = process.env;
const log = pino({ name: "perigee-ground", level: environment.PERIGEE_LOG_LEVEL ?? "info" });
const host = environment.PERIGEE_HOST ?? "127.0.0.1";
const { tls, keepAliveMs, port, ...settings } = orExit(() => {
  const common = groundSettings(environment);
  checkLoopbackOnly(common.dialects, environment, host);
  return {
    log,
    port: groundPort(environment),
    trustProxy: environment.PERIGEE_TRUST_PROXY === "1",
    tls: readTlsFiles(environment),
    console: consoleFolder(environment, import.meta.dirname),
    reference: assetsFolder("reference", import.meta.dirname),
    keepAliveMs: keepAlive(environment.PERIGEE_KEEP_ALIVE_SECONDS),
    ...common,
  };
});
const data = environment.PERIGEE_DATA ?? join(process.cwd(), ".perigee");
const inCloud = Boolean(environment.PERIGEE_TABLE);
const ground = await (inCloud ? inTheCloud() : onThisMachine()).catch((error: Error) => exitWith(error));
let sweeping = false;
const sweep = setInterval(
  async () => {
    // a long round is not overtaken
    if (sweeping) return;
    sweeping = true;
    await ground.janitor.round().catch((error: unknown) => log.error({ err: error }, "janitor failed"));
    sweeping = false;
  },
  inCloud ? CLOUD_JANITOR_MS : JANITOR_MS,
);
const server = await serveGround(ground, {
  host,
  port,
  ...(tls && { tls }),
  ...(keepAliveMs !== undefined && { keepAliveMs }),
  onError: (error) => log.error({ err: error }, "a connection was not accepted"),
}).catch((error: Error) => exitWith(error));

// What no request caught belongs to one of them, and must not end those of all others. The ledger's transactions
// are whole or not, whatever becomes of who began them.
let uncaught = 0;
for (const name of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(name, (error: unknown) => {
    uncaught += 1;
    log.error({ err: error, count: uncaught }, `${name}: the server goes on`);
  });
}

let stopping = false;
const stop = async (signal: string) => {
  if (stopping) return;
  stopping = true;
  log.info({ signal }, "stopping");
  clearInterval(sweep);
  try {
    await server.close(CLOSE_MS);
    await ground.close();
    process.exit(0);
  } catch (error) {
    log.fatal({ err: error }, "the server did not end cleanly");
    process.exit(1);
  }
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
if (tls) {
  process.on("SIGHUP", () => {
    try {
      server.renewTls(readTlsFiles(environment) ?? tls);
      log.info("the certificate was read again");
    } catch (error) {
      log.error({ err: error }, "the certificate before it stays");
    }
  });
}
const { url, listeners } = server;
// Whoever started us waits for this line, whatever the log level is
pino({ name: "perigee-ground" }).info(
  { url, ...(Object.keys(listeners).length > 0 && { listeners }) },
  "ready",
);

/** Seconds as ms. @throws Error that names the rule */
function keepAlive(seconds: string | undefined): number | undefined {
  if (!seconds) return undefined;
  if (!/^[1-9]\d{0,4}$/.test(seconds)) {
    throw new Error(
      `PERIGEE_KEEP_ALIVE_SECONDS: ${JSON.stringify(seconds)} is no whole number from 1 to 99999`,
    );
  }
  return Number(seconds) * 1000;
}

/** What is wrong with a setting is told in one line, whatever the log level is. */
function orExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    return exitWith(error as Error);
  }
}

function exitWith({ message }: Error): never {
  console.error(message);
  process.exit(1);
}

async function onThisMachine() {
  const { createEmbeddedGround } = await import("../embedded.ts");
  const embedded = await createEmbeddedGround({
    ...settings,
    data,
  });
  // The only server of this data: uploads that an earlier one was taking are over.
  await embedded.janitor.round(0);
  return embedded;
}

async function inTheCloud() {
  const { cloudForeignBuckets, cloudPlaces, cloudRepositories, cloudSecrets, createCloudGround } =
    await import("../cloud.ts");
  const { sharedRelay } = await import("../live/open-relay.ts");
  if (!environment.PERIGEE_TOKEN_SECRET) throw new Error("PERIGEE_TOKEN_SECRET is not set");
  return createCloudGround({
    ...settings,
    live: { ...settings.live, relay: sharedRelay },
    ...cloudPlaces(environment),
    repositories: await cloudRepositories(join(data, "repositories")),
    foreignBuckets: cloudForeignBuckets,
    ...cloudSecrets(environment),
  });
}

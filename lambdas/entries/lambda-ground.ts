import { pino } from "pino";
import { assetsFolder } from "../assets/assets-folder.ts";
import { cloudPlaces, cloudSecrets, createCloudGround } from "../cloud.ts";
import { consoleFolder } from "../console/console-folder.ts";
import { gatewayLimits } from "../function-url/gateway-limits.ts";
import { groundSettings } from "../ground-settings.ts";
import { TimeLeft } from "../http/time-left.ts";

/**
 * The ground as Lambdas have it, made once for each process, at its start. Environment: PERIGEE_TABLE,
 * PERIGEE_BUCKET, PERIGEE_QUEUE_PREFIX, PERIGEE_TOKEN_SECRET (the secret's ARN), where FPGA images are on PERIGEE_OBJECTS,
 * PERIGEE_SEAL_SECRET and PERIGEE_WORKER (cloud.ts), PERIGEE_DEPLOYMENT (its name),
 * PERIGEE_STREAMING (true: the function URL's mode is RESPONSE_STREAM; false: BUFFERED), PERIGEE_LOG_LEVEL
 * (info), PERIGEE_CONSOLE (on; off), and what ground-settings.ts reads.
 */
const environment = process.env;
export const deployment = environment.PERIGEE_DEPLOYMENT ?? "perigee";
export const log = pino({ name: "perigee-ground", level: environment.PERIGEE_LOG_LEVEL ?? "info" });
export const streaming = environment.PERIGEE_STREAMING !== "false";
export const timeLeft = new TimeLeft();
export const ground = createCloudGround({
  ...cloudPlaces(environment),
  // not at the start: an agent's requests need no key, and a start that waits for it is longer
  ...cloudSecrets(environment),
  log,
  timeLeftMs: () => timeLeft.ms,
  console: consoleFolder(environment, import.meta.dirname),
  reference: assetsFolder("reference", import.meta.dirname),
  pass: gatewayLimits(streaming),
  ...groundSettings(environment),
});

import { resolve } from "node:path";
import { DIALECTS, NAMED_DIALECTS } from "#lambdas/dialects/index.ts";
import { settingsOnThisMachine } from "#lambdas/dialects/own-settings.ts";
import { groundSettings } from "#lambdas/ground-settings.ts";
import { isLoopback } from "#lambdas/http/is-loopback.ts";
import { groundPort } from "#lambdas/http/port.ts";
import { describeExit } from "./child.ts";
import { clientFor, findEngine } from "./docker-engine.ts";
import { ensureBaseImage } from "./ensure-base-image.ts";
import { bundlePages } from "./page-bundles.ts";
import { readyLines } from "./ready-lines.ts";
import { AlreadyRunning, type Stack, startStack } from "./stack.ts";

/**
 * `npm start`: ground and agent in the foreground, until SIGTERM, SIGINT or SIGHUP. Environment:
 * PERIGEE_PORT (8080; 0 = any free), PERIGEE_HOST (127.0.0.1), PERIGEE_DATA (./.perigee),
 * PERIGEE_USER and PERIGEE_PASSWORD (the first user; without them one is made and shown once), PERIGEE_DIALECTS (where
 * nobody else reaches the ground all that there are, also those that are otherwise on only where they are named).
 */
const environment = process.env;
const say = (line: string) => console.log(line);
const ALL = [...DIALECTS, ...NAMED_DIALECTS].map(({ name }) => name);

const interrupted = new AbortController();
let stack: Stack | undefined;
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) return stack?.kill();
    say(`Stopping (${signal})`);
    interrupted.abort(new Error("interrupted"));
  });
}

process.exitCode = await main();

/** What the dialects set where nobody else reaches the ground, and the operator does not. @throws Error of a setting */
function ownSettings(host: string): NodeJS.ProcessEnv {
  // its rules are checked here, so that what is wrong is all that is said
  const { dialects } = groundSettings(environment);
  if (!isLoopback(host)) return {};
  const { set, notes } = settingsOnThisMachine(dialects, environment);
  for (const note of notes) say(`Note: ${note}`);
  return set;
}

async function main(): Promise<number> {
  const host = environment.PERIGEE_HOST || "127.0.0.1";
  try {
    const port = groundPort(environment);
    if (isLoopback(host)) environment.PERIGEE_DIALECTS ||= ALL.join(",");
    const env = ownSettings(host);
    await bundlePages(resolve(import.meta.dirname, "../dist"));
    stack = await startStack({
      data: environment.PERIGEE_DATA || ".perigee",
      host,
      port,
      user: environment.PERIGEE_USER,
      password: environment.PERIGEE_PASSWORD,
      dockerHost: await prepareEngine(),
      env,
      onPrepared: ({ made, notes }) => {
        for (const note of notes) say(`Note: ${note}`);
        if (made?.password) say(`First user: ${made.name}  password: ${made.password}  (shown this once)`);
      },
      onLine: (child, line) => say(`${child.padEnd(6)} | ${line}`),
      signal: interrupted.signal,
    });
  } catch (error) {
    if (interrupted.signal.aborted) return 0;
    console.error((error as Error).message);
    return error instanceof AlreadyRunning ? 3 : 1;
  }

  for (const line of readyLines(stack.url, environment)) say(line);

  const stopped = Promise.withResolvers<undefined>();
  interrupted.signal.addEventListener("abort", () => stopped.resolve(undefined), { once: true });
  if (interrupted.signal.aborted) stopped.resolve(undefined);
  const dead = await Promise.race([stack.died, stopped.promise]);
  if (dead)
    console.error(`The ${dead.child.name} ended by itself (${describeExit(dead.exit)}); stopping the other.`);
  const clean = await stack.stop();
  if (dead) return 1;
  say(clean ? "Stopped" : "Stopped, but not everything ended cleanly; see the log above");
  return clean ? 0 : 1;
}

/** A server without an engine still keeps files and answers; so a missing engine is only told. */
async function prepareEngine(): Promise<string | undefined> {
  const engine = await findEngine();
  if (!("version" in engine)) {
    say(
      `Note: no Docker engine (${engine.detail}). Images and pods will not work; \`npm run demo\` sets one up.`,
    );
    return undefined;
  }
  try {
    await ensureBaseImage(clientFor(engine.host), () => {});
  } catch (error) {
    say(`Note: ${(error as Error).message}`);
  }
  return engine.host;
}

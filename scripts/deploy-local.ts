import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownSettings, settingsOnThisMachine } from "#lambdas/dialects/own-settings.ts";
import { groundSettings } from "#lambdas/ground-settings.ts";
import { groundPort } from "#lambdas/http/port.ts";
import { describeExit } from "./child.ts";
import { cleanEngine } from "./clean-engine.ts";
import { type CloudStack, startCloudStack } from "./cloud/cloud-stack.ts";
import { clientFor, findEngine } from "./docker-engine.ts";
import { ensureBaseImage } from "./ensure-base-image.ts";

/**
 * `npm run deploy:local`: the cloud on this machine, for a person to try, until Ctrl-C, which takes everything
 * down again. Environment: PERIGEE_PORT (8080), PERIGEE_USER (perigee) and PERIGEE_PASSWORD (made up and shown),
 * PERIGEE_DIALECTS, and the dialects' own settings.
 */
const environment = process.env;
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => interrupted.abort(new Error("interrupted")));
}
const say = (line: string) => console.log(line);

process.exitCode = await main().catch((error: unknown) => {
  console.error((error as Error).message);
  return interrupted.signal.aborted ? 0 : 1;
});

async function main(): Promise<number> {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`a Docker engine is needed: ${engine.detail}`);
  const docker = clientFor(engine.host);
  await ensureBaseImage(docker, say);
  const dir = mkdtempSync(join(tmpdir(), "perigee-deploy-local-"));
  const name = environment.PERIGEE_USER || "perigee";
  const password = environment.PERIGEE_PASSWORD || randomBytes(15).toString("base64url");
  const context = ownContext();
  let stack: CloudStack | undefined;
  let dead = false;
  try {
    stack = await startCloudStack({
      dir,
      users: [{ name, password }],
      dockerHost: engine.host,
      port: groundPort(environment),
      context,
      say,
      signal: interrupted.signal,
    });
    say(manual(stack, name, environment.PERIGEE_PASSWORD ? undefined : password));
    const stopped = new Promise<undefined>((done) => {
      interrupted.signal.addEventListener("abort", () => done(undefined), { once: true });
    });
    const exit = await Promise.race([stack.agent.exited, stopped]);
    dead = exit !== undefined;
    if (exit) console.error(`The agent ended by itself (${describeExit(exit)}); taking everything down.`);
  } finally {
    const clean = (await stack?.stop()) ?? true;
    await cleanEngine(docker, join(dir, "agent"));
    rmSync(dir, { recursive: true, force: true });
    say(clean ? "Stopped, nothing is left" : "Stopped, but not everything ended cleanly; see above");
    dead ||= !clean;
  }
  return dead ? 1 : 0;
}

/** The dialects and their own settings as CDK context: the operator's, and what is right where nobody else reaches the ground. */
function ownContext(): Record<string, string> {
  const { dialects } = groundSettings(environment);
  const { set, notes } = settingsOnThisMachine(dialects, environment);
  for (const note of notes) say(`Note: ${note}`);
  const values = { ...environment, ...set };
  const named = environment.PERIGEE_DIALECTS;
  const own = Object.fromEntries(
    ownSettings(dialects).flatMap(({ variable, contextKey }) => {
      const value = values[variable];
      return value ? [[contextKey, value]] : [];
    }),
  );
  return { ...(named && { dialects: named }), ...own };
}

/** What a person needs to go on. */
function manual({ url, endpoint, deployment }: CloudStack, name: string, password?: string): string {
  const exports = { ...deployment.env, PERIGEE_URL: url };
  return [
    "",
    `Perigee's cloud is ready at ${url} (AWS at ${endpoint})`,
    `User: ${name}${password ? `  password: ${password}  (shown this once)` : ""}`,
    "For the CLI, its operator's verbs and the AWS CLI, in another terminal:",
    ...Object.entries(exports).map(([key, value]) => `  export ${key}=${value}`),
    "Ctrl-C takes everything down again.",
    "",
  ].join("\n");
}

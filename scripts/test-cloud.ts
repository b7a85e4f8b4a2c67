import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CONTEXT, DEPLOYED_ENV } from "#test/deployed/support/deployed.ts";
import { useCompileCache } from "#test/support/compile-cache.ts";
import { Child } from "./child.ts";
import { cleanEngine } from "./clean-engine.ts";
import { CLOUD_EDGE, type CloudStack, startCloudStack } from "./cloud/cloud-stack.ts";
import type { Deployment } from "./cloud/deployment.ts";
import { clientFor, findEngine } from "./docker-engine.ts";
import { ensureBaseImage } from "./ensure-base-image.ts";

/**
 * `npm run test:cloud`: brings the cloud up on this machine, runs the tests that are for it, takes it down again
 * and leaves nothing running. The adapters' suites, the deployed whole and the contract run through Lambda; what
 * cannot go through one runs through `perigee server` on the same deployment. What is given on the command line
 * goes to vitest. Environment: PERIGEE_REPORTS (directory for vitest's reports and exit codes).
 */
const ROOT = resolve(import.meta.dirname, "..");
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");
const SERVER = join(ROOT, "lambdas/entries/server.ts");
/** ms for one run of vitest */
const TESTS_MS = 60 * 60_000;
const SERVER_GRACE_MS = 30_000;

useCompileCache();
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted (${signal})`)));
}
const began = performance.now();
const say = (line: string) =>
  console.error(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s | ${line}`);

process.exitCode = await main().catch((error: unknown) => {
  say((error as Error).message);
  return 1;
});

async function main(): Promise<number> {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`the cloud's tests need a Docker engine: ${engine.detail}`);
  const docker = clientFor(engine.host);
  await ensureBaseImage(docker, say);
  const dir = mkdtempSync(join(tmpdir(), "perigee-test-cloud-"));
  const password = () => randomBytes(15).toString("base64url");
  const users = ["client1", "client2"].map((name) => ({ name, password: password() }));
  let stack: CloudStack | undefined;
  try {
    stack = await startCloudStack({
      dir,
      users,
      dockerHost: engine.host,
      context: CONTEXT,
      say,
      signal: interrupted.signal,
    });
    const code = await runTests(stack, users);
    say(`the tests ended with ${code}; taking everything down`);
    return code;
  } finally {
    const clean = (await stack?.stop()) ?? true;
    await cleanEngine(docker, join(dir, "agent"));
    if (clean) rmSync(dir, { recursive: true, force: true });
    else {
      say(`not everything ended cleanly; what is left of it is in ${dir}`);
      process.exitCode = 1;
    }
  }
}

/** All runs of vitest, one after the other. @returns the first exit code that is not 0 */
async function runTests(stack: CloudStack, users: { name: string; password: string }[]): Promise<number> {
  const { url, endpoint, deployment, moveAgent } = stack;
  const [user, other] = users;
  const env = {
    ...process.env,
    LOCALSTACK_ENDPOINT: endpoint,
    [DEPLOYED_ENV]: JSON.stringify({ url, endpoint, outputs: deployment.outputs }),
    PERIGEE_URL: url,
    PERIGEE_USER: user!.name,
    PERIGEE_PASSWORD: user!.password,
    PERIGEE_USER2: other!.name,
    PERIGEE_PASSWORD2: other!.password,
  };
  const behindUrl = await vitest("cloud", ["--project=!contract-unik", "--tagsFilter=!server"], env);
  if (interrupted.signal.aborted) return 1;
  // What a function URL cannot be asked, on the same deployment through a server.
  const server = await startServer(deployment);
  try {
    const { url: served, listeners } = (await server.ready) as ServerReady;
    say(`a server of the same deployment answers at ${served}`);
    const whole = ["--project=contract", "--project=contract-fpga", "--tagsFilter=server"];
    const given = { ...env, PERIGEE_URL: served, PERIGEE_OBJECT_STORE: listeners["object store"] };
    const throughServer = await vitest("cloud-server", whole, given);
    if (interrupted.signal.aborted) return 1;
    // an agent is given commands of the APIs that its ground has
    await moveAgent(served);
    const unik = await vitest("cloud-unik", ["--project=contract-unik"], {
      ...given,
      PERIGEE_EDGE: CLOUD_EDGE,
      PERIGEE_UNIK_ROOT: listeners.unik,
    });
    return behindUrl || throughServer || unik;
  } finally {
    await server.stop(SERVER_GRACE_MS);
  }
}

type ServerReady = { url: string; listeners: { "object store": string; unik: string } };

/** `perigee server` on what was deployed, with the object store and the API that Lambdas do not have. */
function startServer({ env, outputs }: Deployment): Promise<Child> {
  const own = {
    PERIGEE_TABLE: outputs.TableName,
    PERIGEE_BUCKET: outputs.BucketName,
    PERIGEE_QUEUE_PREFIX: outputs.QueueUrlPrefix,
    PERIGEE_TOKEN_SECRET: outputs.TokenSecretArn,
    PERIGEE_DIALECTS: CONTEXT.dialects,
    PERIGEE_UNIK_PORT: "0",
    PERIGEE_OBJECTS: outputs.ObjectsBucketName,
    PERIGEE_SEAL_SECRET: outputs.SealSecretArn,
    PERIGEE_WORKER: outputs.WorkerUrl,
    PERIGEE_OBS_PORT: "0",
    PERIGEE_HOST: "127.0.0.1",
    PERIGEE_PORT: "0",
  };
  return Child.start("server", [SERVER], { ...process.env, ...env, ...own }, (line) =>
    say(`server | ${line}`),
  );
}

/**
 * One run of vitest. With PERIGEE_REPORTS, a directory, it leaves `<name>.json` (vitest's report) and `<name>.exit`
 * (its exit code) there.
 */
async function vitest(name: string, args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const reports = process.env.PERIGEE_REPORTS;
  const report = reports
    ? ["--reporter=default", "--reporter=json", `--outputFile.json=${join(reports, `${name}.json`)}`]
    : [];
  const all = [
    VITEST,
    "run",
    "--config",
    "vitest.cloud.config.ts",
    ...args,
    ...report,
    ...process.argv.slice(2),
  ];
  const child = spawn(process.execPath, all, { cwd: ROOT, stdio: "inherit", env });
  const late = AbortSignal.timeout(TESTS_MS);
  const over = AbortSignal.any([interrupted.signal, late]);
  const end = () => child.kill("SIGTERM");
  over.addEventListener("abort", end, { once: true });
  const ended = await new Promise<number | null>((done, failed) => {
    child.once("error", failed);
    child.once("close", done);
  });
  over.removeEventListener("abort", end);
  if (late.aborted) say(`${name}: not done within ${TESTS_MS / 60_000} minutes`);
  const code = over.aborted ? 1 : (ended ?? 1);
  if (reports) writeFileSync(join(reports, `${name}.exit`), `${code}\n`);
  return code;
}

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DEPLOYED_ENV } from "#test/deployed/support/deployed.ts";
import { cleanEngine } from "./clean-engine.ts";
import { type CloudStack, startCloudStack } from "./cloud/cloud-stack.ts";
import { clientFor, findEngine } from "./docker-engine.ts";
import { ensureBaseImage } from "./ensure-base-image.ts";

/**
 * `npm run test:cloud`: brings the cloud up on this machine, runs the tests that are for it, takes it down again
 * and leaves nothing running. What is given on the command line goes to vitest.
 */
const ROOT = resolve(import.meta.dirname, "..");
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");
/** ms for all the tests */
const TESTS_MS = 20 * 60_000;

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
    stack = await startCloudStack({ dir, users, dockerHost: engine.host, say, signal: interrupted.signal });
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

/** vitest's exit code. */
async function runTests(stack: CloudStack, users: { name: string; password: string }[]): Promise<number> {
  const [user, other] = users;
  const { url, endpoint, deployment } = stack;
  const child = spawn(
    process.execPath,
    [VITEST, "run", "--config", "vitest.cloud.config.ts", ...process.argv.slice(2)],
    {
      cwd: ROOT,
      stdio: "inherit",
      env: {
        ...process.env,
        LOCALSTACK_ENDPOINT: endpoint,
        [DEPLOYED_ENV]: JSON.stringify({ url, endpoint, outputs: deployment.outputs }),
        PERIGEE_URL: url,
        PERIGEE_USER: user!.name,
        PERIGEE_PASSWORD: user!.password,
        PERIGEE_USER2: other!.name,
        PERIGEE_PASSWORD2: other!.password,
      },
    },
  );
  const over = AbortSignal.any([interrupted.signal, AbortSignal.timeout(TESTS_MS)]);
  const end = () => child.kill("SIGTERM");
  over.addEventListener("abort", end, { once: true });
  const code = await new Promise<number | null>((done, failed) => {
    child.once("error", failed);
    child.once("close", done);
  });
  over.removeEventListener("abort", end);
  if (over.aborted) say((over.reason as Error).message);
  return over.aborted ? 1 : (code ?? 1);
}

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readConfig } from "#agent/config.ts";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { clientFor } from "../../scripts/docker-engine.ts";
import { BASE_IMAGE, ensureBaseImage } from "../../scripts/ensure-base-image.ts";
import { ensureDocker } from "../../scripts/ensure-docker.ts";
import { EDGE } from "../../scripts/prepare-data.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../scripts/runner-image.ts";
import { type Stack, startStack } from "../../scripts/stack.ts";
import { makeTokens } from "../contract/poseidon/support/make-tokens.ts";
import { useCompileCache } from "../support/compile-cache.ts";
import type { ClusterUnderTest } from "./support/cluster-under-test.ts";
import { type FoundCluster, findCluster } from "./support/find-cluster.ts";
import { pushTestImage } from "./support/push-test-image.ts";
import type { TestCluster } from "./support/test-cluster.ts";

/**
 * `npm run test:kubernetes [-- FILTER…]`: the cluster's share of the contract suites and the tests that only a cluster
 * can have, against ground and agent of this tree with pods on a real Kubernetes; everything is taken down at the
 * end, also after Ctrl-C or a failed start. All run beside each other, then what takes parts of the cluster away.
 * Arguments go to vitest, which then runs once. Environment: PERIGEE_REPORTS (directory for vitest's reports).
 */
const ROOT = resolve(import.meta.dirname, "../..");
const LOG_LINES = 80;

useCompileCache();
const started = performance.now();
const say = (line: string) =>
  console.error(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);
const controller = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => controller.abort(new Error(`stopped by ${name}`)));
}

const users = ["client1", "client2"].map((name) => ({
  name,
  password: randomBytes(15).toString("base64url"),
}));
const [user, other] = users as [(typeof users)[0], (typeof users)[0]];
const data = mkdtempSync(join(tmpdir(), "perigee-kubernetes-"));
const agentImage = `perigee-test/agent-${randomBytes(4).toString("hex")}:latest`;
const log: string[] = [];
let cluster: FoundCluster | undefined;
let stack: Stack | undefined;
let docker: ReturnType<typeof clientFor> | undefined;
let passed = false;
try {
  const engine = await ensureDocker({ say });
  docker = clientFor(engine.host);
  await ensureBaseImage(docker, say);
  cluster = await findCluster(say, controller.signal);
  const agentConfig = join(data, "agent-config.json");
  writeFileSync(agentConfig, JSON.stringify(cluster.config, null, 2));
  const config = readConfig(agentConfig);
  if (!config.kubernetes || !config.imageRegistry) throw new Error("kubernetes and imageRegistry are needed");
  const { kinds, dns } = config.kubernetes;
  const image = await pushTestImage(docker, config.imageRegistry, BASE_IMAGE);
  await makeRunnerImage(docker);
  const runnerImage = await pushTestImage(docker, config.imageRegistry, RUNNER_IMAGE);
  const testCluster: TestCluster = { kubeconfig: cluster.kubeconfig, kinds, dns, image, runnerImage };
  stack = await startStack({
    data,
    host: "127.0.0.1",
    port: 0,
    user: user.name,
    password: user.password,
    dockerHost: engine.host,
    env: { PERIGEE_AGENT_CONFIG: agentConfig, PERIGEE_DIALECTS: "em,kabuto,poseidon,unik" },
    signal: controller.signal,
    onLine: (child, line) => {
      log.push(`${child} | ${line}`);
      if (process.env.PERIGEE_TEST_LOG) console.error(log.at(-1));
      else if (log.length > LOG_LINES) log.shift();
    },
  });
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  await new Accounts(store).addUser(other.name, other.password, { edges: [EDGE] });
  await store.close();
  const [token = "", token2 = ""] = await makeTokens(join(data, "ledger.sqlite"), [user.name, other.name]);
  const told = join(data, "cluster-under-test.json");
  const { kubeconfig, kubectl, own } = cluster;
  const agentData = stack.prepared.agentData;
  writeFileSync(
    told,
    JSON.stringify({
      ...{ kubeconfig, kubectl, own, agentConfig, agentData, agentImage },
    } satisfies ClusterUnderTest),
  );
  say(`ground and agent ready at ${stack.url}`);
  passed = await runTests(stack.url, {
    DOCKER_HOST: engine.host,
    PERIGEE_KUBERNETES_TEST: told,
    PERIGEE_TEST_CLUSTER: JSON.stringify(testCluster),
    PERIGEE_POSEIDON_TOKEN: token,
    PERIGEE_POSEIDON_TOKEN2: token2,
    PERIGEE_RUNNER_IMAGE: RUNNER_IMAGE,
  });
} catch (error) {
  console.error(`test:kubernetes: ${(error as Error).message}`);
} finally {
  await takeDown();
}
process.exitCode = passed ? 0 : 1;

async function runTests(url: string, given: NodeJS.ProcessEnv): Promise<boolean> {
  const env = {
    ...process.env,
    ...given,
    PERIGEE_URL: url,
    PERIGEE_USER: user.name,
    PERIGEE_PASSWORD: user.password,
    PERIGEE_USER2: other.name,
    PERIGEE_PASSWORD2: other.password,
    PERIGEE_EDGE: EDGE,
    PERIGEE_UNIK_PROVIDER: "kubernetes",
  };
  const asked = process.argv.slice(2);
  const run = (...projects: string[]) =>
    runVitest(
      projects.length === 1 ? `kubernetes-${projects[0]}` : "kubernetes-asked",
      [...projects.flatMap((project) => ["--project", project]), ...asked],
      env,
    );
  if (asked.length > 0) {
    const named = asked.some((argument) => argument.startsWith("--project"));
    return run(...(named ? [] : ["contract", "contract-poseidon", "contract-unik", "kubernetes*"]));
  }
  // The contracts' share is the shorter; who puts rights into the cluster disturbs only who does so too
  const others = async () => {
    let ok = true;
    for (const project of ["contract", "contract-poseidon", "contract-unik", "kubernetes-access"])
      ok = (await run(project)) && ok;
    return ok;
  };
  const beside = await Promise.all([others(), run("kubernetes")]);
  return (await run("kubernetes-alone")) && beside.every((ok) => ok);
}

/** One run of vitest. With PERIGEE_REPORTS it leaves `<name>.json` (its report) and `<name>.exit` (its exit code) there. */
async function runVitest(name: string, args: string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  if (controller.signal.aborted) return false;
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const reports = process.env.PERIGEE_REPORTS;
  const report = reports
    ? ["--reporter=default", "--reporter=json", `--outputFile.json=${join(reports, `${name}.json`)}`]
    : [];
  const child = spawn(process.execPath, [vitest, "run", ...args, ...report], {
    cwd: ROOT,
    stdio: "inherit",
    env,
  });
  const stop = () => child.kill("SIGTERM");
  controller.signal.addEventListener("abort", stop, { once: true });
  const code = await new Promise<number | null>((done, reject) => {
    child.once("error", reject);
    child.once("close", done);
  });
  controller.signal.removeEventListener("abort", stop);
  say(`${name} ended with ${code}`);
  if (reports) writeFileSync(join(reports, `${name}.exit`), `${code ?? 1}\n`);
  return code === 0 && !controller.signal.aborted;
}

async function takeDown(): Promise<void> {
  say("taking everything down");
  const clean = (await stack?.stop()) ?? true;
  if (stack && !clean) {
    passed = false;
    console.error("test:kubernetes: ground or agent did not end cleanly");
  }
  if (!passed && log.length > 0) console.error(log.slice(-LOG_LINES).join("\n"));
  const logs = passed || !cluster ? undefined : mkdtempSync(join(tmpdir(), "perigee-kubernetes-log-"));
  await cluster?.down(logs);
  if (logs) say(`logs of the cluster: ${logs}`);
  await docker
    ?.getImage(agentImage)
    .remove({ force: true })
    .catch(() => {});
  if (docker) await cleanEngine(docker, join(data, "agent"));
  rmSync(data, { recursive: true, force: true });
  say("all down");
}

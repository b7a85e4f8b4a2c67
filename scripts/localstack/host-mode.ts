import { spawn } from "node:child_process";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemEnvironment } from "../debian-packages.ts";
import { clientFor, findEngine } from "../docker-engine.ts";
import { commandLine, endProcess, isAlive, readPidFile, until } from "../processes.ts";
import { ensureInstalled } from "./install.ts";
import { lambdaImageName, lambdaPrograms, placeInit } from "./lambda-runtime.ts";

const START_MS = 360_000;
const STOP_MS = 45_000;
const DOCKER = fileURLToPath(new URL("docker-local", import.meta.url));

/**
 * LocalStack's own main, but for two things. Its objects go where we say, for by default all instances of a machine
 * share one directory in /tmp, and leave it behind. And of calls of one function that come at once each finds an
 * environment: LocalStack goes through them while others add theirs ("dictionary changed size during iteration"),
 * and lets others take one between its start and its first call; either call was answered 500.
 */
const MAIN = `
import os, threading
from collections import defaultdict
from localstack.services.lambda_.invocation import assignment
from localstack.services.lambda_.invocation.execution_environment import InvalidStatusException

class Environments(dict):
    def values(self):
        return list(super().values())

assignment.defaultdict = lambda _: defaultdict(Environments)
start_environment = assignment.AssignmentService.start_environment

def start_for_caller(self, *args):
    started = start_environment(self, *args)
    reserve, owner = started.reserve, threading.get_ident()
    def reserve_first():
        if threading.get_ident() != owner:
            raise InvalidStatusException("it was started for another call")
        started.reserve = reserve
        reserve()
    started.reserve = reserve_first
    return started

assignment.AssignmentService.start_environment = start_for_caller

from localstack.services.s3 import provider
provider.DEFAULT_S3_TMP_DIR = os.environ["PERIGEE_S3_DIRECTORY"]
from localstack.runtime.main import main
main()
`;

/** Pid file and log of an instance, in its directory. */
export const PID_FILE = "localstack.pid";
export const LOG_FILE = "localstack.log";

/**
 * Starts LocalStack as a process of this machine, with all of its state in `dir`.
 * @throws Error with the end of its log when it does not come up
 */
export async function startOnHost(
  options: { dir: string; port: number; env: Record<string, string> },
  say: (line: string) => void,
): Promise<{ pid: number }> {
  const { dir, port } = options;
  const { python, lib } = await ensureInstalled(say);
  const own = join(dir, "root/var/lib/localstack/lib");
  await mkdir(own, { recursive: true });
  await mkdir(join(dir, "tmp"), { recursive: true });
  for (const name of ["java", "dynamodb-local"]) await link(join(lib, name), join(own, name));
  const programs = await lambdaPrograms();
  await placeInit(join(own, "lambda-runtime/own"), programs);
  const lambdas = await lambdaImageName(programs);

  const log = openSync(join(dir, LOG_FILE), "a", 0o600);
  const child = spawn(python, ["-c", MAIN], {
    cwd: dir,
    detached: true,
    stdio: ["ignore", log, log],
    env: { ...systemEnvironment(), ...(await settings(dir, port, lambdas)), ...options.env },
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  child.unref();
  const pid = child.pid!;
  writeFileSync(join(dir, PID_FILE), `${pid}\n`);
  await until(async () => !isAlive(pid) || (await answers(port)), START_MS);
  if (isAlive(pid) && (await answers(port))) return { pid };
  await stopOnHost(dir);
  const tail = readFileSync(join(dir, LOG_FILE), "utf8").trimEnd().split("\n").slice(-15).join("\n");
  throw new Error(`LocalStack did not come up on port ${port}:\n${tail}`);
}

/** Stops the instance of a directory, DynamoDB Local included. Harmless when there is none. */
export async function stopOnHost(dir: string): Promise<void> {
  const pid = readPidFile(join(dir, PID_FILE));
  if (pid === undefined || !commandLine(pid).includes("localstack.runtime.main")) return;
  await endProcess(pid, STOP_MS);
  try {
    // its group: what it started and could not end any more
    process.kill(-pid, "SIGKILL");
  } catch {
    // nobody is left in it
  }
}

/** Does LocalStack answer there? */
export async function answers(port: number): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/_localstack/health`;
  return fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );
}

/** The address under which containers reach this machine; without an engine, the loopback. */
export async function bridgeAddress(): Promise<string> {
  const engine = await findEngine();
  if (!("version" in engine)) return "127.0.0.1";
  // not from the interfaces: one that no container uses just now is not among them
  const bridge = await clientFor(engine.host).getNetwork("bridge").inspect();
  return bridge.IPAM?.Config?.[0]?.Gateway ?? "172.17.0.1";
}

async function settings(dir: string, port: number, lambdas: string): Promise<Record<string, string>> {
  const host = await bridgeAddress();
  const listen = [...new Set(["127.0.0.1", host])].map((address) => `${address}:${port}`);
  return {
    FILESYSTEM_ROOT: join(dir, "root"),
    PERIGEE_S3_DIRECTORY: join(dir, "s3"),
    TMPDIR: join(dir, "tmp"),
    // a Java reads no TMPDIR
    JAVA_TOOL_OPTIONS: `-Djava.io.tmpdir=${join(dir, "tmp")}`,
    OVERRIDE_IN_DOCKER: "0",
    GATEWAY_LISTEN: listen.join(","),
    LOCALSTACK_HOST: `${host}:${port}`,
    SQS_ENDPOINT_STRATEGY: "path",
    // as S3 does: a URL with a wrong or expired signature is refused
    S3_SKIP_SIGNATURE_VALIDATION: "0",
    DYNAMODB_IN_MEMORY: "1",
    DOCKER_CMD: DOCKER,
    LAMBDA_INIT_RELEASE_VERSION: "own",
    LAMBDA_RUNTIME_IMAGE_MAPPING: lambdas,
    LAMBDA_IGNORE_ARCHITECTURE: "1",
    LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT: "60",
    // nothing is fetched from or told to anybody
    SKIP_SSL_CERT_DOWNLOAD: "1",
    DISABLE_EVENTS: "1",
    DNS_ADDRESS: "0",
    LS_LOG: "warn",
    PYTHONUNBUFFERED: "1",
  };
}

async function link(target: string, path: string): Promise<void> {
  if (!existsSync(path)) await symlink(target, path);
}

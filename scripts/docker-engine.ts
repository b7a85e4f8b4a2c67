import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { promisify } from "node:util";
import Docker from "dockerode";
import { until } from "./processes.ts";

const PING_MS = 15_000;
/** The oldest engine API that is tested: Docker 20.10. */
const OLDEST_API = "1.41";

/** How to reach an engine: `host` as in DOCKER_HOST (`unix:///…`, `tcp://…`). */
export type Engine = { host: string; version: string };

/** Why there is no engine. `denied`: one is there, but not for this user. `unfit`: it answers, but is of no use. */
export type NoEngine = { reason: "absent" | "denied" | "unfit" | "silent"; detail: string };

/**
 * Looks for a usable engine: `DOCKER_HOST` alone when it is set; else the usual sockets, then the
 * `docker` client's own context. Changes nothing.
 */
export async function findEngine(env: NodeJS.ProcessEnv = process.env): Promise<Engine | NoEngine> {
  if (env.DOCKER_HOST) {
    const found = await askEngine(env.DOCKER_HOST);
    if ("version" in found) return found;
    return { reason: "silent", detail: `DOCKER_HOST is ${env.DOCKER_HOST}: ${found.detail}` };
  }
  let answer: NoEngine = { reason: "absent", detail: "no Docker socket" };
  for (const host of await candidates(env)) {
    const found = await askEngine(host);
    if ("version" in found) return found;
    if (answer.reason === "absent") answer = found;
  }
  return answer;
}

/**
 * {@link findEngine} of one that another process is about to start.
 * @throws Error why there is none after `timeoutMs`
 */
export async function engineWithin(timeoutMs: number, env: NodeJS.ProcessEnv = process.env): Promise<Engine> {
  let found = await findEngine(env);
  await until(async () => {
    if (!("version" in found)) found = await findEngine(env);
    return "version" in found;
  }, timeoutMs);
  if ("version" in found) return found;
  throw new Error(found.detail);
}

/** Asks one engine who it is, within `timeoutMs`. */
export async function askEngine(host: string, timeoutMs = PING_MS): Promise<Engine | NoEngine> {
  const socketPath = host.startsWith("unix://") ? host.slice("unix://".length) : undefined;
  if (socketPath && !existsSync(socketPath))
    return { reason: "absent", detail: `${socketPath} is not there` };
  try {
    const version = await withTimeout(clientFor(host).version(), timeoutMs);
    if (version.Os !== "linux")
      return { reason: "unfit", detail: `${host} runs ${version.Os} containers, not Linux ones` };
    if (compareVersions(version.ApiVersion, OLDEST_API) < 0) {
      return {
        reason: "unfit",
        detail: `${host} is Docker ${version.Version} (API ${version.ApiVersion}); 20.10 (API ${OLDEST_API}) or newer is needed`,
      };
    }
    return { host, version: version.Version };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES" || code === "EPERM")
      return { reason: "denied", detail: `${host} refuses this user (${code})` };
    // A socket whose engine was killed stays behind as a file
    if (code === "ECONNREFUSED" || code === "ENOENT")
      return { reason: "absent", detail: `${host} is there, but nobody answers` };
    return { reason: "silent", detail: `${host}: ${(error as Error).message}` };
  }
}

/** A dockerode client for an address written as in DOCKER_HOST. */
export function clientFor(host: string): Docker {
  if (host.startsWith("unix://")) return new Docker({ socketPath: host.slice("unix://".length) });
  // dockerode reads every other form, and the TLS variables, from the environment only
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = host;
  try {
    return new Docker();
  } finally {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  }
}

async function candidates(env: NodeJS.ProcessEnv): Promise<string[]> {
  const hosts = ["unix:///var/run/docker.sock", `unix://${homedir()}/.docker/run/docker.sock`];
  if (env.XDG_RUNTIME_DIR) hosts.push(`unix://${env.XDG_RUNTIME_DIR}/docker.sock`);
  try {
    const format = "{{.Endpoints.docker.Host}}";
    const options = { timeout: PING_MS };
    const { stdout } = await promisify(execFile)(
      "docker",
      ["context", "inspect", "--format", format],
      options,
    );
    const host = stdout.trim();
    if (/^(unix|tcp):\/\//.test(host)) hosts.push(host);
  } catch {
    // no docker client: then it has no context to ask for
  }
  return [...new Set(hosts)];
}

/** Compares dotted numbers: negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

async function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

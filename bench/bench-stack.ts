import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import { cleanEngine } from "../scripts/clean-engine.ts";
import { clientFor } from "../scripts/docker-engine.ts";
import { ensureBaseImage } from "../scripts/ensure-base-image.ts";
import { ensureDocker } from "../scripts/ensure-docker.ts";
import { type Stack, startStack } from "../scripts/stack.ts";

/** A ground and an agent of the benchmark's own, with a user logged in. */
export type BenchStack = {
  stack: Stack;
  url: string;
  docker: Docker;
  /** scratch directory on the disk that holds the data too */
  scratch: string;
  /** directory of the user's volumes on the edge */
  volumes: string;
  headers: { authorization: string };
  /** the answer's JSON; throws unless it is 200 */
  post(path: string, fields: Record<string, string>): Promise<unknown>;
  get(path: string): Promise<unknown>;
  stop(): Promise<void>;
};

export type BenchOptions = {
  /** makes what must be onboard before the agent first starts */
  before?(docker: Docker): Promise<unknown>;
  /** the address at which the agent reaches the ground */
  through?(url: string): Promise<string>;
  /** the address of the engine for the agent, as in DOCKER_HOST, of its own one */
  engine?(host: string): Promise<string>;
  /** writes a configuration of the agent. @returns its path */
  config?(scratch: string): string;
};

/** Starts both as `npm start` does, in a directory below TMPDIR that goes with stop(). @param env of both */
export async function startBenchStack(
  env: Record<string, string> = {},
  options: BenchOptions = {},
): Promise<BenchStack> {
  const engine = await ensureDocker({ say: () => {} });
  const docker = clientFor(engine.host);
  await ensureBaseImage(docker, () => {});
  await options.before?.(docker);
  const scratch = mkdtempSync(join(tmpdir(), "perigee-bench-"));
  const data = join(scratch, "data");
  const password = randomBytes(15).toString("base64url");
  const clean = async () => {
    await cleanEngine(docker, join(data, "agent"));
    rmSync(scratch, { recursive: true, force: true });
  };
  const stack = await startStack({
    data,
    host: "127.0.0.1",
    port: 0,
    user: "bench",
    password,
    dockerHost: (await options.engine?.(engine.host)) ?? engine.host,
    ...(options.through && { through: options.through }),
    env: {
      PERIGEE_LOG_LEVEL: "warn",
      ...(options.config && { PERIGEE_AGENT_CONFIG: options.config(scratch) }),
      ...env,
    },
    onLine: (child, line) => line.includes('"ready"') || console.error(`${child} | ${line}`),
  }).catch(async (error: unknown) => {
    await clean();
    throw error;
  });
  const stop = async () => {
    await stack.stop();
    await clean();
  };
  try {
    const body = new URLSearchParams({ username: "bench", password });
    const { access } = (await jsonOf(await fetch(`${stack.url}/auth/`, { method: "POST", body }))) as {
      access: string;
    };
    const headers = { authorization: `Bearer ${access}` };
    const post = async (path: string, fields: Record<string, string>) =>
      jsonOf(await fetch(stack.url + path, { method: "POST", headers, body: new URLSearchParams(fields) }));
    const get = async (path: string) => jsonOf(await fetch(stack.url + path, { headers }));
    const volumes = join(data, "agent/volumes/bench");
    return { stack, url: stack.url, docker, scratch, volumes, headers, post, get, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** State of a pod, as the API tells it. */
export async function podState(bench: BenchStack, pod: string): Promise<Record<string, unknown>> {
  const answer = (await bench.get(`/em/pod/status?pod_name=${pod}`)) as {
    data: { state: Record<string, unknown> };
  };
  return answer.data.state;
}

async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.url} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../scripts/runner-image.ts";
import { type BenchOptions, type BenchStack, startBenchStack } from "../bench-stack.ts";

/** How often (ms) the pool is asked for its runners. */
const LOOK_MS = 10;
/** Of the names of the agent's containers. */
const PREFIX = "perigee";

/** A ground and an agent with Poseidon's API, which is open for the benchmark's user. */
export class PoseidonBench {
  readonly bench: BenchStack;
  readonly client: PoseidonClient;
  /** containers are named for it, and other agents use the same engine */
  #next = process.pid * 100;

  private constructor(bench: BenchStack) {
    this.bench = bench;
    this.client = new PoseidonClient(`${bench.url}/api/v1`);
  }

  /** @param options `max`: runners of the edge, idle and used; `stack`: what starts ground and agent */
  static async start({
    max,
    stack = startBenchStack,
    ...options
  }: BenchOptions & { max?: number; stack?: typeof startBenchStack } = {}): Promise<PoseidonBench> {
    const env: Record<string, string> = { PERIGEE_POSEIDON_OPEN_USER: "bench" };
    const bench = await stack(env, {
      ...options,
      async before(docker) {
        await makeRunnerImage(docker);
      },
      ...(max !== undefined && {
        config: (scratch: string) => {
          const file = join(scratch, "agent.json");
          writeFileSync(file, JSON.stringify({ runners: { max } }));
          return file;
        },
      }),
    });
    return new PoseidonBench(bench);
  }

  stop(): Promise<void> {
    return this.bench.stop();
  }

  /** Makes an environment, or replaces that one, and waits until all of its pool can be handed out. @returns its id */
  async pool(size: number, id = this.#next++): Promise<number> {
    const body = { image: RUNNER_IMAGE, prewarmingPoolSize: size, memoryLimit: 256 };
    const answer = await this.client.body("PUT", `/execution-environments/${id}`, body);
    if (answer.status >= 300) throw new Error(`environment: ${answer.status} ${answer.text}`);
    await this.idle(id, size);
    return id;
  }

  /** Waits until so many runners can be handed out. */
  async idle(id: number, count: number): Promise<void> {
    for (;;) {
      const { json } = await this.client.get("/statistics/execution-environments");
      if (json[id]?.idleRunners === count) return;
      await sleep(LOOK_MS);
    }
  }

  /** @returns the runner's path */
  async runner(id: number): Promise<string> {
    const answer = await this.client.body("POST", "/runners", { executionEnvironmentId: id });
    if (answer.status !== 200) throw new Error(`runner: ${answer.status} ${answer.text}`);
    return `/runners/${answer.json.runnerId}`;
  }

  /** Removes an environment, and waits until the engine has none of its runners any more. */
  async removed(id: number): Promise<void> {
    await this.client.delete(`/execution-environments/${id}`);
    const filters = { name: [`^/${PREFIX}-${id}-`] };
    while ((await this.bench.docker.listContainers({ all: true, filters })).length > 0) await sleep(LOOK_MS);
  }

  containerOf(path: string): Docker.Container {
    return this.bench.docker.getContainer(`${PREFIX}-${path.slice("/runners/".length)}`);
  }
}

export async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

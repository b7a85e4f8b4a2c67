import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../scripts/runner-image.ts";
import { type BenchOptions, type BenchStack, startBenchStack } from "../bench-stack.ts";

/** How often (ms) the pool is asked for its runners. */
const LOOK_MS = 10;

/** A ground and an agent with Poseidon's API, which is open for the benchmark's user. */
export class PoseidonBench {
  readonly bench: BenchStack;
  readonly client: PoseidonClient;

  private constructor(bench: BenchStack) {
    this.bench = bench;
    this.client = new PoseidonClient(`${bench.url}/api/v1`);
  }

  /** @param max runners of the edge, idle and used */
  static async start({ max, ...options }: BenchOptions & { max?: number } = {}): Promise<PoseidonBench> {
    const env: Record<string, string> = { PERIGEE_POSEIDON_OPEN_USER: "bench" };
    const bench = await startBenchStack(env, {
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

  /** Makes or replaces an environment, and waits until all of its pool can be handed out. */
  async pool(id: number, size: number): Promise<void> {
    const body = { image: RUNNER_IMAGE, prewarmingPoolSize: size, memoryLimit: 256 };
    const answer = await this.client.body("PUT", `/execution-environments/${id}`, body);
    if (answer.status >= 300) throw new Error(`environment: ${answer.status} ${answer.text}`);
    await this.idle(id, size);
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

  async removed(id: number): Promise<void> {
    await this.client.delete(`/execution-environments/${id}`);
  }

  /** ID of a runner's container; it has the runner's id as its host name. */
  async containerOf(path: string): Promise<string> {
    const id = path.slice("/runners/".length);
    for (const { Id } of await this.bench.docker.listContainers()) {
      const { Config } = await this.bench.docker.getContainer(Id).inspect();
      if (Config.Hostname === id || Config.Hostname === id.slice(0, 63)) return Id;
    }
    throw new Error(`no container of ${id}`);
  }
}

export async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

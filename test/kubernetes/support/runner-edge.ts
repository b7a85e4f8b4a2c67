import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import type { Pod } from "#agent/pods/kubernetes/types.ts";
import { LABEL } from "#agent/pods/labels.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { makeTokens } from "#test/contract/poseidon/support/make-tokens.ts";
import { type Deployment, deploy, type Lane } from "#test/faults/support/deployment.ts";
import { RUNNER_IMAGE } from "../../../scripts/runner-image.ts";
import { clusterUnderTest } from "./cluster-under-test.ts";

/** Idle runners of the environment, and those that were handed out, with the cluster's pods of both. */
export type Counted = { idle: number; used: number; pods: number };

/** A ground and an agent that may die, with one environment whose runners are pods of the cluster. */
export class RunnerEdge {
  readonly environment = randomInt(1_000, 2 ** 40);
  readonly agent: Lane["agent"];
  readonly client: PoseidonClient;
  readonly #api: Pick<KubernetesApi, "list">;
  readonly #lane: Lane;
  readonly #deployment: Deployment;

  private constructor(api: Pick<KubernetesApi, "list">, deployment: Deployment, token: string) {
    this.#api = api;
    this.#deployment = deployment;
    this.#lane = deployment.lanes[0]!;
    this.agent = this.#lane.agent;
    this.client = new PoseidonClient(`${deployment.url}/api/v1`, token);
  }

  /** @param kubernetes what the agent's configuration has in place of that of the cluster under test */
  static async start(api: Pick<KubernetesApi, "list">, kubernetes: object = {}): Promise<RunnerEdge> {
    const given = JSON.parse(readFileSync(clusterUnderTest().agentConfig, "utf8"));
    // what the registry holds beside its own images is not this agent's to collect
    const { collect: _, ...imageRegistry } = given.imageRegistry;
    const deployment = await deploy(1, {
      publicImages: [RUNNER_IMAGE],
      agent: { ...given, kubernetes: { ...given.kubernetes, ...kubernetes }, imageRegistry },
    });
    const [token = ""] = await makeTokens(join(deployment.data, "ledger.sqlite"), [
      deployment.lanes[0]!.user,
    ]);
    return new RunnerEdge(api, deployment, token);
  }

  /** Wants a pool of this size; its runners come by and by. @throws Error when it is refused */
  async want(prewarmingPoolSize: number): Promise<void> {
    const body = { image: RUNNER_IMAGE, prewarmingPoolSize, memoryLimit: 64 };
    const answer = await this.client.body("PUT", `/execution-environments/${this.environment}`, body);
    if (answer.status >= 300) throw new Error(`environment: ${answer.status} ${answer.text}`);
  }

  /** @returns path of a runner, as soon as there is one */
  async runner(): Promise<string> {
    const body = JSON.stringify({ executionEnvironmentId: this.environment });
    for (;;) {
      const answer = await this.client.send("POST", "/runners", { body, headers: { prefer: "wait=60" } });
      if (answer.status === 200) return `/runners/${answer.json.runnerId}`;
      // a machine that does much else takes longer
      if (!answer.text.includes("NOMAD_OVERLOAD")) throw new Error(answer.text);
    }
  }

  /** Pods of its runners, whatever their state. */
  async pods(): Promise<Pod[]> {
    const { items } = await this.#api.list<Pod>("/api/v1/pods", { labelSelector: LABEL.runner });
    return items.filter(({ metadata }) => metadata.name.startsWith(`${this.environment}-`));
  }

  async counted(): Promise<Counted> {
    const statistics = await this.client.get("/statistics/execution-environments");
    const { idleRunners = 0, usedRunners = 0 } = statistics.json[this.environment] ?? {};
    return { idle: idleRunners, used: usedRunners, pods: (await this.pods()).length };
  }

  /** Why a runner ended, as its user is told. */
  async endOf(path: string): Promise<unknown> {
    const { data } = (await this.#lane.client.get("/runners")).json;
    return data.find(({ id }: { id: string }) => path.endsWith(id))?.end;
  }

  /** Ends all; the cluster has nothing of it afterwards. The agent has to run. */
  async close(): Promise<void> {
    try {
      await this.client.delete(`/execution-environments/${this.environment}`);
      while ((await this.pods()).length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    } finally {
      await this.#deployment.close();
    }
  }
}

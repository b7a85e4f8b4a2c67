import { randomUUID } from "node:crypto";
import type {
  Environment,
  HandOutRefusal,
  PoolOwner,
  Runner,
  RunnerPools,
  Statistics,
} from "#lambdas/runners/runner-pools.ts";
import type { RunnerEnd } from "#protocol/runners.ts";

const keyOf = ({ user, edge }: PoolOwner) => `${user}@${edge}`;

/** Pools that are always filled, unless the test says how a hand-out is refused. */
export class MemoryPools implements RunnerPools {
  readonly #environments = new Map<string, Map<number, Environment>>();
  readonly #runners = new Map<string, Runner>();
  readonly handOuts: Parameters<RunnerPools["handOut"]>[2][] = [];
  readonly compared: number[] = [];
  readonly touches: string[] = [];
  readonly removals: Parameters<RunnerPools["removed"]>[] = [];
  refusal: HandOutRefusal | undefined;
  full = false;
  gone: RunnerEnd | undefined;
  mappedPorts: Runner["mappedPorts"] = [];
  low: { owner: PoolOwner; id: number }[] = [];
  /** others who have environments */
  owners: string[] = [];

  #of(owner: PoolOwner): Map<number, Environment> {
    const known = this.#environments.get(keyOf(owner)) ?? new Map<number, Environment>();
    this.#environments.set(keyOf(owner), known);
    return known;
  }

  async environments(owner: PoolOwner) {
    return [...this.#of(owner).values()].sort((a, b) => a.id - b.id);
  }
  async environment(owner: PoolOwner, id: number) {
    return this.#of(owner).get(id);
  }
  async put(owner: PoolOwner, environment: Environment, most = Number.POSITIVE_INFINITY) {
    if (this.full) return "full";
    if (!this.#of(owner).has(environment.id) && this.#of(owner).size >= most) return "user-full";
    const known = this.#of(owner).has(environment.id);
    this.#endAll(owner, environment.id);
    this.#of(owner).set(environment.id, environment);
    return known ? "replaced" : "created";
  }
  async remove(owner: PoolOwner, id: number) {
    this.#endAll(owner, id);
    return this.#of(owner).delete(id);
  }
  async statistics(owner: PoolOwner): Promise<Statistics[]> {
    return (await this.environments(owner)).map(({ id, prewarmingPoolSize }) => ({
      id,
      prewarmingPoolSize,
      idleRunners: prewarmingPoolSize,
      usedRunners: [...this.#runners.values()].filter(({ environment }) => environment === id).length,
    }));
  }
  async depleting(_threshold: number) {
    return this.low;
  }
  async users() {
    return [...new Set([...this.low.map(({ owner }) => owner.user), ...this.owners])];
  }
  async handOut(owner: PoolOwner, environment: number, options: Parameters<RunnerPools["handOut"]>[2]) {
    this.handOuts.push(options);
    if (this.refusal) return this.refusal;
    if (!this.#of(owner).has(environment)) return { refused: "unknown" as const };
    const id = `${environment}-${randomUUID()}`;
    const { mappedPorts } = this;
    const runner: Runner = { ...owner, id, environment, state: "used", since: Date.now(), mappedPorts };
    this.#runners.set(id, runner);
    return { runner };
  }
  async used(user: string, id: string) {
    const runner = this.#runners.get(id);
    return runner?.user === user ? runner : undefined;
  }
  async whyGone() {
    return this.gone;
  }
  async touched(_user: string, id: string) {
    this.touches.push(id);
  }
  async end(user: string, id: string) {
    return (await this.used(user, id)) !== undefined && this.#runners.delete(id);
  }
  async list(user: string) {
    return [...this.#runners.values()].filter((runner) => runner.user === user);
  }
  async compare(_owner: PoolOwner, ms: number) {
    this.compared.push(ms);
  }
  async removed(...of: Parameters<RunnerPools["removed"]>) {
    this.removals.push(of);
  }

  #endAll(owner: PoolOwner, id: number): void {
    for (const runner of this.#runners.values()) {
      if (keyOf(runner) === keyOf(owner) && runner.environment === id) this.#runners.delete(runner.id);
    }
  }
}

import type { NodeReport } from "#protocol/wire.ts";
import { absentRuntime } from "./absent-runtime.ts";
import type { PodRuntime, Written } from "./pod-runtime.ts";

/** Which way to run pods a run was given to; absent: the first, as older records have it. */
type OfProvider = { provider?: string | undefined };

/** The ways to run pods of one edge, each under the name of its provider. */
export class Runtimes {
  /** for runs that name no provider */
  readonly main: PodRuntime;
  readonly #byProvider: ReadonlyMap<string, PodRuntime>;

  /** @param others of other providers than `main` */
  constructor(main: PodRuntime, ...others: readonly PodRuntime[]) {
    this.main = main;
    this.#byProvider = new Map([main, ...others].map((runtime) => [runtime.provider, runtime]));
  }

  all(): PodRuntime[] {
    return [...this.#byProvider.values()];
  }

  has(provider: string): boolean {
    return this.#byProvider.has(provider);
  }

  /** Where a run is; of a provider that the configuration has no more, one that knows no run and starts none. */
  of({ provider }: OfProvider): PodRuntime {
    if (provider === undefined) return this.main;
    return this.#byProvider.get(provider) ?? absentRuntime(provider);
  }

  /** The nodes of all that answer; of two with one name the first. @throws when none does */
  async nodes(): Promise<NodeReport[]> {
    const told = await Promise.allSettled(this.all().map((runtime) => runtime.nodes()));
    const answers = told.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    if (answers.length === 0) throw (told[0] as PromiseRejectedResult).reason;
    const nodes = new Map<string, NodeReport>();
    for (const node of answers.flat()) if (!nodes.has(node.name)) nodes.set(node.name, node);
    return [...nodes.values()];
  }

  /** {@link PodRuntime.written} of all together. */
  async written(user: string): Promise<Written> {
    const parts = await this.#each((runtime) => runtime.written(user));
    const counted = parts.flatMap(({ wrote }) => (wrote === undefined ? [] : [wrote]));
    return {
      bytes: sum(parts.map(({ bytes }) => bytes)),
      ...(counted.length > 0 && { wrote: sum(counted) }),
      directories: parts.flatMap(({ directories }) => directories),
    };
  }

  /** {@link PodRuntime.watch} of all. */
  watch(hint: (run: string | undefined) => void): () => void {
    const ends = this.all().map((runtime) => runtime.watch(hint));
    return () => {
      for (const end of ends) end();
    };
  }

  /** {@link PodRuntime.imagesChanged} of all. */
  imagesChanged(): void {
    for (const runtime of this.all()) runtime.imagesChanged?.();
  }

  async tidy(user: string): Promise<void> {
    await this.#each((runtime) => runtime.tidy(user));
  }

  async close(): Promise<void> {
    await this.#each((runtime) => runtime.close());
  }

  #each<T>(ask: (runtime: PodRuntime) => Promise<T>): Promise<T[]> {
    return Promise.all(this.all().map(ask));
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

import type { ListedRun, LogFrame, PodRuntime, RunSpec, Started } from "#agent/pods/pod-runtime.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { NodeReport } from "#protocol/wire.ts";

/** A runtime in memory, with one node: tests say what becomes of its runs, and change its methods. */
export class FakeRuntime implements PodRuntime {
  readonly session = "session";
  readonly provider: string;
  readonly runs = new Map<string, { spec: RunSpec; state: ContainerState }>();
  /** names of the calls that change something, the oldest first */
  readonly calls: string[] = [];
  readonly #hints = new Set<(run: string | undefined) => void>();

  constructor(provider = "fake") {
    this.provider = provider;
  }

  async prepare(_image: { user: string; imageId: string }): Promise<void> {}

  async start(spec: RunSpec): Promise<Started> {
    this.calls.push("start");
    this.runs.set(spec.run, { spec, state: { running: { startedAt: new Date().toISOString() } } });
    return { node: "node1" };
  }

  async adopt(_spec: RunSpec): Promise<void> {
    this.calls.push("adopt");
  }

  async stop(run: string): Promise<void> {
    this.calls.push("stop");
    if (this.runs.has(run)) this.end(run, { exitCode: 143, reason: "Error" });
  }

  async remove(run: string): Promise<void> {
    this.calls.push("remove");
    this.runs.delete(run);
  }

  async inspect(run: string): Promise<ContainerState | undefined> {
    return this.runs.get(run)?.state;
  }

  async addressOf(run: string): Promise<string | undefined> {
    return this.runs.has(run) ? "10.0.0.2" : undefined;
  }

  async list(): Promise<ListedRun[]> {
    return [...this.runs.values()].map(({ spec: { run, user, pod }, state }) => {
      const phase = "running" in state ? "running" : "terminated" in state ? "ended" : "created";
      return { run, user, pod, phase };
    });
  }

  async *logs(): AsyncGenerator<LogFrame> {}

  watch(hint: (run: string | undefined) => void): () => void {
    this.#hints.add(hint);
    return () => this.#hints.delete(hint);
  }

  async written() {
    return { bytes: 0, directories: [] };
  }

  async missing(): Promise<string | undefined> {
    return undefined;
  }

  async nodes(): Promise<NodeReport[]> {
    return [{ name: "node1", kind: "MPU", status: "True" }];
  }

  async tidy(): Promise<void> {}

  async usage(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {}

  /** The run has ended, and whoever watches hears of it. */
  end(run: string, told: Partial<Extract<ContainerState, { terminated: unknown }>["terminated"]> = {}): void {
    const now = new Date().toISOString();
    const terminated = { exitCode: 0, reason: "Completed", startedAt: now, finishedAt: now, ...told };
    this.runs.get(run)!.state = { terminated };
    for (const hint of this.#hints) hint(run);
  }
}

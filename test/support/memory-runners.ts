import type { PodRuntime, RunSpec } from "#agent/pods/pod-runtime.ts";
import type { PodSessions } from "#agent/sessions/pod-sessions.ts";

/** Runners in memory in place of an engine's: what the keeper of pools asks of one. Can be away. */
export class MemoryRunners {
  /** by run; what is here runs */
  readonly containers = new Map<string, { user: string; bytes?: number }>();
  away = false;
  /** most that were being started at the same time */
  mostStarts = 0;
  /** calls that found it away */
  unanswered = 0;
  /** how often a list was asked for */
  lists = 0;
  /** how often a removal was asked for */
  removals = 0;
  #starts = 0;

  readonly sessions = {
    features: ["exec", "files"],
    prepare: async () => {},
    exec: async () => ({
      endInput: async () => {},
      cut() {},
      output: (async function* () {})(),
      exit: Promise.resolve(0),
    }),
  } as unknown as PodSessions;

  readonly runtime = {
    prepare: async () => this.#answer(undefined),
    start: async ({ run, user }: RunSpec) => {
      this.#starts += 1;
      this.mostStarts = Math.max(this.mostStarts, this.#starts);
      await new Promise((resolve) => setImmediate(resolve));
      this.#starts -= 1;
      this.#answer(undefined);
      this.containers.set(run, { user });
      return { node: "n" };
    },
    inspect: async (run: string) =>
      this.#answer(
        this.containers.has(run) ? { running: { startedAt: new Date(0).toISOString() } } : undefined,
      ),
    listRunners: async () => {
      this.lists += 1;
      return this.#answer([...this.containers].map(([run, of]) => ({ run, ...of, phase: "running" })));
    },
    remove: async (run: string) => {
      this.removals += 1;
      this.#answer(this.containers).delete(run);
    },
    watch: () => () => {},
    tidy: async () => {},
  } as unknown as PodRuntime;

  #answer<T>(answer: T): T {
    if (!this.away) return answer;
    this.unanswered += 1;
    throw new Error("connect ECONNREFUSED");
  }
}

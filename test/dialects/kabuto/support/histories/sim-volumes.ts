import type { Volumes } from "#agent/volumes/volumes.ts";

/** The volumes of an edge's disk, which outlives its agents, as far as jobs without files use them. */
export class SimVolumes {
  /** of each user */
  readonly names = new Map<string, Set<string>>();

  /** The zip of a run's outbox. @throws Error when there is none */
  packed(run: string): Buffer {
    const outboxes = [...this.names.values()].flatMap((names) => [...names]);
    if (!outboxes.some((name) => name.includes(run.toLowerCase()))) {
      throw new Error(`${run} has no outbox`);
    }
    return Buffer.from(`zip of ${run}`);
  }

  /** As the agent has them. */
  ofAgent(): Volumes {
    const of = (user: string) => {
      const names = this.names.get(user) ?? new Set();
      this.names.set(user, names);
      return names;
    };
    const used = {
      ensureAll: (user: string, names: readonly string[]) => {
        for (const name of names) of(user).add(name);
      },
      open: (user: string, name: string) =>
        of(user).has(name) ? { [Symbol.dispose]: () => undefined } : undefined,
      directoryOf: (_user: string, name: string) => `/volumes/${name}`,
      takeAllAway: (user: string, taken: ReadonlyMap<string, string>) => {
        for (const name of taken.keys()) of(user).delete(name);
      },
      discardIncoming: () => undefined,
      trash: { empty: async () => undefined },
      users: () => [...this.names.keys()],
      names: (user: string) => [...of(user)],
    };
    return used as unknown as Volumes;
  }
}

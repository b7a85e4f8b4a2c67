import type { WantedEnvironment, WantedPools } from "#protocol/pool-wire.ts";
import { environmentOf, type RunnerEnd } from "#protocol/runners.ts";
import type { TargetEnd } from "../live/live-target.ts";
import type { RunnerRecord } from "./runner-record.ts";
import type { RunnerStore } from "./runner-store.ts";

/** Names an environment: ids are a user's own. */
export function poolKey(user: string, environment: number): string {
  return `${user}#${environment}`;
}

export function poolOf({ user, id }: Pick<RunnerRecord, "user" | "id">): string {
  return poolKey(user, environmentOf(id));
}

/** What the sessions in a runner are told when it ends; `STOPPED` is for those that were asked to end. */
const ENDS: Record<RunnerEnd, TargetEnd> = {
  inactive: { type: "timeout" },
  oom: { type: "error", code: "OOM_KILLED", message: "the runner was killed because it ran out of memory" },
  deleted: { type: "error", code: "STOPPED", message: "the runner was deleted" },
  replaced: { type: "error", code: "STOPPED", message: "the runner's environment was replaced" },
  evicted: { type: "error", code: "GONE", message: "the runner was ended: it held too much on the disk" },
  unstoppable: { type: "error", code: "GONE", message: "a program in the runner could not be stopped" },
  exited: { type: "error", code: "GONE", message: "the runner has ended" },
  lost: { type: "error", code: "GONE", message: "the runner was lost" },
};

/** The runners of the edge and the pools that are wanted: in memory, and durable from the moment a change returns. */
export class RunnerBook {
  readonly #store: RunnerStore;
  readonly #records = new Map<string, RunnerRecord>();
  readonly #ends = new Map<string, AbortController>();
  #wanted: WantedPools;

  constructor(store: RunnerStore) {
    this.#store = store;
    for (const record of store.load()) this.#records.set(record.id, record);
    this.#wanted = store.wanted();
  }

  get wanted(): WantedPools {
    return this.#wanted;
  }

  want(wanted: WantedPools): void {
    this.#store.saveWanted(wanted);
    this.#wanted = wanted;
  }

  environment(key: string): WantedEnvironment | undefined {
    return this.#wanted.environments.find(({ user, id }) => poolKey(user, id) === key);
  }

  all(): RunnerRecord[] {
    return [...this.#records.values()];
  }

  get(id: string): RunnerRecord | undefined {
    return this.#records.get(id);
  }

  add(record: RunnerRecord): void {
    this.#store.save(record);
    this.#records.set(record.id, record);
  }

  change(record: RunnerRecord, to: Partial<RunnerRecord>): void {
    if (this.#records.get(record.id) !== record) return;
    this.#store.save({ ...record, ...to });
    Object.assign(record, to);
  }

  /**
   * A session begins or ends in it. The disk is waited for only where a power cut must not take that back: that the
   * runner is used, and that a program may run in it: the write blocks the agent's event loop.
   */
  worked(record: RunnerRecord, to: Pick<Partial<RunnerRecord>, "state" | "activeAt" | "busy">): void {
    if (this.#records.get(record.id) !== record) return;
    const next = { ...record, ...to };
    if (next.state !== record.state || (next.busy && !record.busy)) this.#store.save(next);
    else this.#store.saveSoon(next);
    Object.assign(record, to);
  }

  /** It is to end: what works in it is told first. The reason that came first stays. */
  end(record: RunnerRecord, end: RunnerEnd): void {
    if (record.state === "ending") return;
    const unheard = record.state === "starting";
    this.change(record, { state: "ending", end, ...(unheard && { unheard }) });
    this.#ends.get(record.id)?.abort(ENDS[end]);
  }

  /** Aborted with a {@link TargetEnd} when the runner ends. */
  ended(record: RunnerRecord): AbortSignal {
    const ends = this.#ends.get(record.id) ?? new AbortController();
    this.#ends.set(record.id, ends);
    if (record.state === "ending" && !ends.signal.aborted) ends.abort(ENDS[record.end ?? "lost"]);
    return ends.signal;
  }

  forget({ id }: RunnerRecord): void {
    this.#store.delete(id);
    this.#records.delete(id);
    this.#ends.delete(id);
  }
}

import type { Logger } from "pino";
import { isOperation, OPERATIONS } from "#protocol/operations.ts";
import type { ClaimedCommand, Outcome, Progress, WaitsFor } from "#protocol/wire.ts";
import type { CommandNews } from "../ground/ground-session.ts";
import type { Earlier } from "../journal/journal.ts";
import { ShuttingDown } from "../operation.ts";
import type { ResourceRequest, ResourceUse } from "../resources/resource.ts";
import { ResourceQueue } from "../resources/resource-queue.ts";
import { EDGE_KEY, edgeUse, resourcesOf } from "../resources/resources-of.ts";
import { type ExecuteDeps, type ExecuteHooks, execute, MOST_DEATHS, type Running } from "./execute.ts";
import { CANCELLED } from "./outcomes.ts";
import type { Report } from "./reporter.ts";

/** After so many deaths of the process under it a command runs alone, so that no neighbour is blamed for it. */
const ALONE_AFTER_DEATHS = 2;

export type RunningSetDeps = ExecuteDeps & {
  /** a command has ended: tell the ground */
  report(report: Report): void;
  /** a command cannot end: the agent cannot go on */
  failed(error: unknown): void;
};

type Held = {
  readonly command: ClaimedCommand;
  readonly committed: boolean;
  /** undefined while it waits for resources, and once it has ended */
  running?: Running;
  ended: boolean;
  /** what the ground knows of it */
  told: { granted?: boolean; progress?: Progress | undefined; waitsFor?: string };
};

/** What is new of a command; `told` is to be called once the ground has it. */
export type News = { readonly news: CommandNews; told(): void };

/**
 * All commands that the agent has: waiting for resources, running, or ended and not acknowledged by the ground.
 *
 * Invariants: no command is here twice, nor again after its end was acknowledged; one runs only while it has its
 * resources, and keeps them until its end is durable; once it is closed nothing begins.
 */
export class RunningSet {
  readonly #deps: RunningSetDeps;
  readonly #log: Logger;
  readonly #held = new Map<string, Held>();
  readonly #queue = new ResourceQueue();
  /** each settles when its command has ended or was cut */
  readonly #ending = new Set<Promise<void>>();
  /** acknowledged since the last claim was sent: its answer may still hand them out again */
  readonly #acknowledged = new Set<string>();
  #claimed = 0;
  #closed = false;

  constructor(deps: RunningSetDeps) {
    this.#deps = deps;
    this.#log = deps.log;
  }

  get ids(): string[] {
    return [...this.#held.keys()];
  }

  get size(): number {
    return this.#held.size;
  }

  /** How many commands of each lane it has. */
  countByLane(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { command } of this.#held.values()) {
      const { lane } = command;
      if (lane !== undefined) counts.set(lane, (counts.get(lane) ?? 0) + 1);
    }
    return counts;
  }

  /** Ids of what it has, for a claim that is sent now: one at a time, its answer goes to {@link take}. */
  idsToClaim(): string[] {
    this.#acknowledged.clear();
    return this.ids;
  }

  /**
   * Takes over claimed commands; those that it has, or had when they were claimed, are left as they are.
   * @returns how many were new
   */
  take(commands: readonly ClaimedCommand[]): number {
    const fresh = commands.filter(({ id }) => !this.#held.has(id) && !this.#acknowledged.has(id));
    const requests: ResourceRequest[] = [];
    for (const command of fresh) {
      this.#log.debug({ command: command.id, operation: command.operation }, "claimed");
      const earlier = this.#deps.journal.earlier(command);
      const held: Held = { command, committed: earlier.committed, ended: false, told: {} };
      this.#held.set(command.id, held);
      if (earlier.outcome) this.#end(held, earlier.outcome);
      else if (command.cancelRequested && !earlier.committed) this.#end(held, CANCELLED);
      else requests.push(this.#requestOf(command, earlier));
    }
    this.#begin(this.#queue.add(requests));
    return fresh.length;
  }

  /** An earlier life's command that has ended: only to be told. */
  tell(id: string, user: string, outcome: Outcome): void {
    const command = { id, user, operation: "earlier" } as ClaimedCommand;
    const held: Held = { command, committed: true, ended: false, told: {} };
    this.#held.set(id, held);
    this.#end(held, outcome);
  }

  /** The ground has acknowledged the outcome: forgets the command. */
  acknowledged(id: string): void {
    this.#held.delete(id);
    this.#acknowledged.add(id);
  }

  /** Ends a command that waits, stops one that runs; harmless for any other. */
  cancel(id: string): void {
    const held = this.#held.get(id);
    if (!held || held.ended) return;
    if (held.running) held.running.cancel();
    // past its commit it goes forward once it has its resources
    else if (held.committed) held.command.cancelRequested = true;
    else this.#end(held, CANCELLED);
  }

  /** What the ground does not know yet of each command that waits or runs. */
  news(): News[] {
    return [...this.#held.values()].filter(({ ended }) => !ended).map((held) => this.#newsOf(held));
  }

  /** Lets what runs go on for `graceMs`, then cuts it; resolves when nothing runs any more. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    for (const [id, { running, ended }] of this.#held) if (!running && !ended) this.#held.delete(id);
    const timer = setTimeout(() => {
      for (const { running } of this.#held.values()) running?.shutDown();
    }, graceMs);
    await Promise.all(this.#ending);
    clearTimeout(timer);
  }

  #requestOf(command: ClaimedCommand, earlier: Earlier): ResourceRequest {
    const { id, user, lane = "", group, order: [epoch, turn] = [this.#deps.session.epoch, 0] } = command;
    const order = [epoch, turn, this.#claimed++] as const;
    return { id, order, lane, user, ...(group && { group }), uses: usesOf(command, earlier) };
  }

  #newsOf(held: Held): News {
    const { command, running, told } = held;
    const { id, user } = command;
    const granted = running !== undefined;
    const progress = running?.progress;
    const waitsFor = granted ? undefined : this.#waitsFor(command);
    const waiting = waitsFor && JSON.stringify(waitsFor);
    return {
      news: {
        user,
        command: id,
        ...(progress && progress !== told.progress && { progress }),
        ...(granted && !told.granted && { granted }),
        ...(waitsFor && waiting !== told.waitsFor && { waitsFor }),
      },
      told: () => {
        held.told = { granted, progress, ...(waiting && { waitsFor: waiting }) };
      },
    };
  }

  /** Of others' commands only that something is ahead. */
  #waitsFor({ id, user }: ClaimedCommand): WaitsFor | undefined {
    const lack = this.#queue.lackOf(id);
    if (!lack) return undefined;
    const { use, behind } = lack;
    return { resource: use.name.slice(0, 300), ...(behind?.user === user && { behind: behind.id }) };
  }

  #begin(ids: readonly string[]): void {
    if (this.#closed) return;
    for (const id of ids) {
      const held = this.#held.get(id);
      if (!held) continue;
      const release = (key: string) => this.#begin(this.#queue.release(id, key));
      const hooks: ExecuteHooks = { release, committed: () => queueMicrotask(() => release(EDGE_KEY)) };
      held.running = execute(this.#deps, held.command, hooks);
      const ending = held.running.outcome
        .then(
          (outcome) => this.#end(held, outcome),
          (error: unknown) => {
            this.#held.delete(id);
            if (!(error instanceof ShuttingDown)) throw error;
          },
        )
        .catch((error: unknown) => this.#deps.failed(error))
        .finally(() => this.#ending.delete(ending));
      this.#ending.add(ending);
    }
  }

  #end(held: Held, outcome: Outcome): void {
    const { id, user, operation, lane } = held.command;
    held.ended = true;
    held.running = undefined;
    this.#deps.report({ id, user, operation, outcome, lane });
    this.#begin(this.#queue.remove(id));
  }
}

/** What the command reads and writes, and whether it is to run alone. */
function usesOf({ operation, input, user }: ClaimedCommand, earlier: Earlier): ResourceUse[] {
  const { committed, deaths } = earlier;
  // it fails without doing anything
  if (!isOperation(operation) || (deaths >= MOST_DEATHS && !committed)) return [];
  const parsed = OPERATIONS[operation].input.safeParse(input);
  if (!parsed.success) return [];
  const uses = resourcesOf(operation, parsed.data as never, user);
  // past its commit it is only watched, beside whatever runs
  return committed ? [...uses] : [...uses, edgeUse(deaths >= ALONE_AFTER_DEATHS)];
}

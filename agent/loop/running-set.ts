import type { Logger } from "pino";
import { isOperation, OPERATIONS } from "#protocol/operations.ts";
import type { ClaimedCommand, Outcome, Progress, WaitsFor } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import type { CommandNews } from "../ground/ground-session.ts";
import type { Earlier } from "../journal/journal.ts";
import { isDiskFull } from "../journal/state-database.ts";
import { RELEASED, ShuttingDown } from "../operation.ts";
import type { ResourceRequest, ResourceUse } from "../resources/resource.ts";
import { ResourceQueue } from "../resources/resource-queue.ts";
import {
  EDGE_KEY,
  edgeUse,
  JOB_PLACES,
  type JobPlaces,
  keepsPlace,
  laterResourcesOf,
  resourcesOf,
} from "../resources/resources-of.ts";
import { type ExecuteDeps, type ExecuteHooks, execute, MOST_DEATHS, type Running } from "./execute.ts";
import { CANCELLED } from "./outcomes.ts";
import type { Report } from "./reporter.ts";

/** After so many deaths of the process under it a command runs alone, so that no neighbour is blamed for it. */
const ALONE_AFTER_DEATHS = 2;

/** In the resource queue: the second step of the command with that id. */
const LATER = " later";
const laterId = (id: string) => `${id}${LATER}`;

export type RunningSetDeps = ExecuteDeps & {
  /** places for jobs (default {@link JOB_PLACES}) */
  jobs?: JobPlaces;
  /** a command has ended that this agent has not begun: what an earlier life made of it is to go */
  dropped?(command: ClaimedCommand): void;
  /** a command has ended: tell the ground */
  report(report: Report): void;
  /** a command cannot end: the agent cannot go on */
  failed(error: unknown): void;
};

type Held = {
  readonly command: ClaimedCommand;
  readonly committed: boolean;
  /** monotonic ms */
  readonly claimedAt: number;
  /** undefined while it waits for resources, and once it has ended */
  running?: Running;
  /** resolves when it has what its second step takes */
  readonly later: PromiseWithResolvers<void>;
  /** it waits for that */
  acquiring?: boolean;
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
  readonly #closing = new AbortController();

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
      const held = heldOf(command, earlier.committed);
      this.#held.set(command.id, held);
      if (earlier.outcome) this.#end(held, earlier.outcome);
      else if (command.cancelRequested && !earlier.committed) this.#drop(held);
      else requests.push(...this.#requestsOf(command, earlier));
    }
    this.#begin(this.#queue.add(requests));
    return fresh.length;
  }

  /** An earlier life's command that has ended: only to be told. */
  tell(id: string, user: string, outcome: Outcome): void {
    const command = { id, user, operation: "earlier" } as ClaimedCommand;
    const held = heldOf(command, true);
    this.#held.set(id, held);
    this.#end(held, outcome);
  }

  /** The ground has acknowledged the outcome: forgets the command. */
  acknowledged(id: string): void {
    this.#held.delete(id);
    this.#acknowledged.add(id);
  }

  /** Ends a command that waits, stops one that runs; harmless for any other. @param kill at once */
  cancel(id: string, kill = false): void {
    const held = this.#held.get(id);
    if (!held || held.ended) return;
    if (held.running) held.running.cancel(kill);
    // past its commit it goes forward once it has its resources
    else if (held.committed) Object.assign(held.command, { cancelRequested: true, kill });
    else this.#drop(held);
  }

  /** What the ground does not know yet of each command that waits or runs. */
  news(): News[] {
    return [...this.#held.values()].filter(({ ended }) => !ended).map((held) => this.#newsOf(held));
  }

  /** Lets what runs go on for `graceMs`, then cuts it; resolves when nothing runs any more. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    for (const [id, { running, ended }] of this.#held) if (!running && !ended) this.#held.delete(id);
    const timer = setTimeout(() => {
      for (const { running } of this.#held.values()) running?.shutDown();
    }, graceMs);
    await Promise.all(this.#ending);
    clearTimeout(timer);
  }

  /** For each of its steps one. */
  #requestsOf(command: ClaimedCommand, earlier: Earlier): ResourceRequest[] {
    const { id, user, lane = "", group, order: [epoch, turn] = [this.#deps.session.epoch, 0] } = command;
    const order = [epoch, turn, this.#claimed++] as const;
    const { first, later } = usesOf(command, earlier, this.#deps.jobs ?? JOB_PLACES);
    const same = { order, lane, user, ...(group && { group }) };
    if (later.length === 0) return [{ id, ...same, uses: first }];
    // Past its commit the second step has begun: it holds its resources again at once, before any other command.
    const had = earlier.committed;
    return [
      { id, ...same, uses: first, had },
      { id: laterId(id), ...same, uses: later, had, unready: !had, aside: !keepsPlace(command.operation) },
    ];
  }

  #newsOf(held: Held): News {
    const { command, running, told } = held;
    const { id, user } = command;
    const granted = running !== undefined;
    const progress = running?.progress;
    // The word of its grant would cover it.
    const waits = !granted || (held.acquiring && told.granted);
    const waitsFor = waits ? this.#waitsFor(command) : undefined;
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
    const lack = this.#queue.lackOf(id) ?? this.#queue.lackOf(laterId(id));
    if (!lack) return undefined;
    const { use, behind } = lack;
    const resource = use.name.slice(0, 300);
    return { resource, ...(behind?.user === user && { behind: behind.id.replace(LATER, "") }) };
  }

  #begin(ids: readonly string[]): void {
    if (this.#closed) return;
    for (const granted of ids) {
      if (granted.endsWith(LATER)) this.#held.get(granted.replace(LATER, ""))?.later.resolve();
      else this.#start(granted);
    }
  }

  #start(id: string): void {
    const held = this.#held.get(id);
    if (!held) return;
    const release = (key?: string) => {
      for (const step of [laterId(id), id]) {
        this.#begin(key === undefined ? this.#queue.remove(step) : this.#queue.release(step, key));
      }
    };
    const acquire = async () => {
      held.acquiring = true;
      this.#begin(this.#queue.ready(laterId(id)));
      await held.later.promise;
      held.acquiring = false;
    };
    const hooks: ExecuteHooks = {
      release,
      acquire,
      claimedAt: held.claimedAt,
      superseded: (error) => this.#deps.failed(error),
      committed: () => queueMicrotask(() => release(EDGE_KEY)),
    };
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

  /** Ends a command that has not started as cancelled. The report is sent after `ended` has written its notes. */
  #drop(held: Held, backoff = new Backoff()): void {
    const { command } = held;
    held.ended = true;
    // else it would still get its turn while its end waits for room
    this.#leaveQueue(command);
    try {
      this.#deps.ended?.(command, CANCELLED);
    } catch (error) {
      if (!isDiskFull(error)) {
        this.#deps.failed(error);
        return;
      }
      if (backoff.tries === 0) this.#log.error({ err: error, command: command.id }, "no room to note an end");
      void backoff.wait(this.#closing.signal).then(() => {
        // the ground hands it out again
        if (!this.#closed) this.#drop(held, backoff);
      });
      return;
    }
    this.#deps.dropped?.(command);
    this.#end(held, CANCELLED);
  }

  #end(held: Held, outcome: Outcome): void {
    const { id, user, operation, lane } = held.command;
    held.ended = true;
    held.running = undefined;
    this.#deps.report({ id, user, operation, outcome, lane });
    this.#leaveQueue(held.command);
  }

  #leaveQueue({ id }: ClaimedCommand): void {
    this.#begin([...this.#queue.remove(laterId(id)), ...this.#queue.remove(id)]);
  }
}

function heldOf(command: ClaimedCommand, committed: boolean): Held {
  const claimedAt = performance.now();
  return { command, committed, claimedAt, ended: false, told: {}, later: Promise.withResolvers() };
}

/** What the command reads and writes in each of its steps, and whether it is to run alone. */
function usesOf(
  { operation, input, user, lane = "", group }: ClaimedCommand,
  { committed, deaths, steps }: Earlier,
  jobs: JobPlaces,
): { first: ResourceUse[]; later: readonly ResourceUse[] } {
  // it fails without doing anything
  if (!isOperation(operation) || (deaths >= MOST_DEATHS && !committed)) return { first: [], later: [] };
  const parsed = OPERATIONS[operation].input.safeParse(input);
  // it has given back what it had
  if (!parsed.success || steps.includes(RELEASED)) return { first: [], later: [] };
  const scope = { lane, group, jobs };
  const uses = resourcesOf(operation, parsed.data as never, user, scope);
  const later = laterResourcesOf(operation, parsed.data as never, user, scope);
  // past its commit it is only watched, beside whatever runs
  return { first: committed ? [...uses] : [...uses, edgeUse(deaths >= ALONE_AFTER_DEATHS)], later };
}

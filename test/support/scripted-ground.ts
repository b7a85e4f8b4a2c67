import { type GroundPort, GroundUnavailable } from "#agent/ground/ground-client.ts";
import { Link } from "#agent/ground/link.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { ClaimedCommand, ClaimResponse, Outcome } from "#protocol/wire.ts";

type Running = { command: ClaimedCommand; epoch: number };

/** What a call to the ground is to come to, instead of what the ground says. */
export type Fault = "lost" | "answer lost";

/**
 * A ground in memory with lanes, or as version 0.2 was, that loses words on order. It keeps what a ledger keeps: what is
 * queued, what runs and under which epoch, how it ended; and it fails a test in which a lane is over its width, or a
 * command ends in two ways.
 */
export class ScriptedGround {
  readonly lanes: Record<string, number>;
  /** as version 0.2: no lanes, one command at a time */
  readonly old: boolean;
  readonly queued: ClaimedCommand[] = [];
  readonly running = new Map<string, Running>();
  readonly ended = new Map<string, Outcome>();
  readonly cancelled = new Set<string>();
  /** those of them that are to end at once */
  readonly killed = new Set<string>();
  /** everything that was told of each command, in order */
  readonly progress: { command: string; granted?: boolean | undefined; waitsFor?: unknown }[] = [];
  /** what becomes of the next calls by name; an empty list: all is well */
  readonly faults: Record<"claim" | "report" | "progress", Fault[]> = { claim: [], report: [], progress: [] };
  /** what the ground has answered is on its way until then, by call */
  readonly onTheWay: Partial<Record<"claim" | "report" | "progress", Promise<void>>> = {};
  /** no call comes through */
  cut = false;
  /** resumed commands in one answer */
  resumedAtOnce = 100;
  readonly calls: string[] = [];
  #epoch = 0;
  #turn = 0;
  #rung: (() => void) | undefined;
  #ring = false;
  readonly #waiters = new Set<() => void>();

  constructor(lanes: Record<string, number> = { em: 1 }, old = false) {
    this.lanes = lanes;
    this.old = old;
  }

  /** Queues commands and rings. */
  submit(...commands: ClaimedCommand[]): void {
    this.queued.push(...commands);
    this.ring();
  }

  cancel(id: string): void {
    this.cancelled.add(id);
    this.ring();
  }

  ring(): void {
    this.#ring = true;
    this.#rung?.();
  }

  /** Another agent starts. */
  supersede(): void {
    this.#epoch += 1;
  }

  /** Resolves when `condition` holds, looked at after every call and after its answer. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  readonly doorbell = {
    wait: (ms: number, signal?: AbortSignal): Promise<boolean> =>
      new Promise((resolve) => {
        const end = (rung: boolean) => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
          this.#rung = undefined;
          if (rung) this.#ring = false;
          resolve(rung);
        };
        const abort = () => end(false);
        const timer = setTimeout(() => end(false), ms);
        signal?.addEventListener("abort", abort);
        this.#rung = () => end(true);
        if (signal?.aborted) abort();
        else if (this.#ring) end(true);
      }),
  };

  get port(): GroundPort {
    const unexpected = () => Promise.reject(new Error("not expected here"));
    return {
      link: new Link(),
      start: async () => {
        this.#called("start");
        this.#epoch += 1;
        this.#turn = 0;
        return { edge: "em1", epoch: this.#epoch, ...(!this.old && { lanes: this.lanes }) };
      },
      claim: (epoch) => this.#call("claim", epoch, () => this.#claimOne()),
      claimMany: (body) =>
        this.#call("claim", body.epoch, () =>
          this.old ? undefined : this.#claimMany(body.room ?? {}, body.have ?? [], body.turn ?? 0),
        ),
      progress: (body) =>
        this.#call("progress", body.epoch, () => {
          this.progress.push({ command: body.command });
          return this.cancelled.has(body.command);
        }),
      progressMany: (body) =>
        this.#call("progress", body.epoch, () => {
          this.progress.push(...body.commands);
          const cancel = body.commands.map(({ command }) => command).filter((id) => this.cancelled.has(id));
          return { cancel, kill: cancel.filter((id) => this.killed.has(id)) };
        }),
      report: (body) =>
        this.#call("report", body.epoch, () => this.#report(body.command, body.outcome as Outcome)),
      urls: unexpected,
      heartbeat: async () => ({ quota: 1 }),
      pods: async () => undefined,
      logs: async () => ({ followed: false }),
      wantedPools: unexpected,
      windowPlan: unexpected,
      tellPools: unexpected,
      inventory: async () => undefined,
      fpgaHeld: async () => undefined,
      offer: async () => undefined,
      commandLogs: async () => undefined,
      transfer: unexpected,
      transferParts: unexpected,
      completeTransfer: unexpected,
      get: unexpected,
      download: unexpected,
      put: unexpected,
      close: () => undefined,
    };
  }

  async #call<T>(name: "claim" | "report" | "progress", epoch: number, answer: () => T): Promise<T> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#called(name);
    const fault = this.faults[name].shift();
    if (this.cut || fault === "lost") throw new GroundUnavailable("the call was lost");
    if (epoch !== this.#epoch) throw new PerigeeError("STALE_EPOCH", "a newer agent");
    const value = answer();
    this.#changed();
    await this.onTheWay[name];
    // and once the agent has made of it what it does
    setImmediate(() => this.#changed());
    if (fault === "answer lost") throw new GroundUnavailable("the answer was lost");
    return value;
  }

  #called(name: string): void {
    this.calls.push(name);
    this.#changed();
  }

  #changed(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  #countOf(lane: string | undefined): number {
    return [...this.running.values()].filter(({ command }) => command.lane === lane).length;
  }

  #claimOne(): ClaimedCommand | undefined {
    const [held] = this.running.values();
    if (held) return this.#resume(held);
    const command = this.queued.shift();
    if (command) this.running.set(command.id, { command, epoch: this.#epoch });
    return command;
  }

  #claimMany(room: Record<string, number>, have: readonly string[], turn: number): ClaimResponse {
    if (turn <= this.#turn) throw new Error(`turn ${turn} after ${this.#turn}`);
    this.#turn = turn;
    const known = new Set(have);
    const missing = [...this.running.values()].filter(
      ({ command, epoch }) => epoch !== this.#epoch || !known.has(command.id),
    );
    const resumed = missing.slice(0, this.resumedAtOnce).map((running) => this.#resume(running));
    const complete = resumed.length === missing.length;
    const commands: ClaimedCommand[] = [];
    const left = { ...room };
    for (const command of complete ? [...this.queued] : []) {
      const lane = command.lane!;
      if ((left[lane] ?? 0) === 0 || this.#countOf(lane) >= this.lanes[lane]!) continue;
      left[lane]! -= 1;
      this.queued.splice(this.queued.indexOf(command), 1);
      command.order = [this.#epoch, turn];
      this.running.set(command.id, { command, epoch: this.#epoch });
      commands.push(structuredClone(command));
    }
    return { resumed, complete, commands, more: this.queued.length > 0 || !complete, lanes: this.lanes };
  }

  #resume(running: Running): ClaimedCommand {
    if (running.epoch !== this.#epoch) running.command.attempts += 1;
    running.epoch = this.#epoch;
    return { ...structuredClone(running.command), cancelRequested: this.cancelled.has(running.command.id) };
  }

  #report(id: string, outcome: Outcome): boolean {
    const before = this.ended.get(id);
    if (before && JSON.stringify(before) !== JSON.stringify(outcome)) {
      throw new Error(`${id} ended as ${JSON.stringify(before)} and as ${JSON.stringify(outcome)}`);
    }
    if (!before && !this.running.delete(id)) throw new PerigeeError("COMMAND_NOT_FOUND", `no command ${id}`);
    this.ended.set(id, outcome);
    return this.queued.length > 0;
  }
}

let made = 0;

/** A command that is done by the test's own handler of `volume.delete`, on a volume of the user's. */
export function command(over: Partial<ClaimedCommand> & { volume?: string } = {}): ClaimedCommand {
  const { volume = "v", ...rest } = over;
  return {
    id: `01KAH8ZJ5Q4W6T8Y${(made++).toString().padStart(10, "0")}`,
    user: "ann",
    operation: "volume.delete",
    input: { volume, path: "x" },
    attempts: 1,
    deadline: 60,
    cancelRequested: false,
    hasFiles: false,
    lane: "em",
    ...rest,
  };
}

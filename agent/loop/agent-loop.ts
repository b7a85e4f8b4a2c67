import type { DoorbellListener } from "#protocol/doorbell.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { ClaimResponse } from "#protocol/wire.ts";
import type { ClaimWish } from "../ground/ground-session.ts";
import { Claimer } from "./claimer.ts";
import type { ExecuteDeps } from "./execute.ts";
import { Reporter } from "./reporter.ts";
import { Rings } from "./rings.ts";
import { roomOf } from "./room.ts";
import { RunningSet, type RunningSetDeps } from "./running-set.ts";
import { Watcher } from "./watcher.ts";

export { Superseded } from "./ground-refusals.ts";

export type AgentLoopDeps = ExecuteDeps &
  Pick<RunningSetDeps, "jobs" | "dropped"> & {
    doorbell: DoorbellListener;
    /** the doorbell rang: not only commands may be new */
    rung?(): void;
    /** a claim has brought commands */
    took?(): void;
    /** the ground has ended commands that the journal held; it holds them no more */
    forgotten?(commands: readonly string[]): void;
    /** the doorbell rang while there is no place for a command, so that nothing is claimed */
    rungWhileFull?(): void;
  };

export type AgentLoopOptions = {
  /** claim this often (ms) though nothing rang; under the 15 s after which a waiting call gives up (default 8 s) */
  pollMs?: number;
  /** how long to wait now for what is to be done every so many ms (default: as long) */
  pace?: (ms: number) => number;
  /** tell progress and ask for cancels this often (ms, default 2 s) */
  progressMs?: number;
  /** a stopping agent lets its commands go on this long (ms, default 10 s) */
  graceMs?: number;
};

/**
 * Carries out what the ground has for this edge: claims commands as far as there is room in their lanes, begins each
 * when it has its resources, and reports how it ended. Four parts that do not wait for one another: {@link Claimer},
 * {@link RunningSet}, {@link Watcher}, {@link Reporter}.
 *
 * @example
 * await session.start({ journal: journal.id, version: VERSION });
 * await new AgentLoop({ session, journal, handlers, doorbell, log }).run(stopping);
 */
export class AgentLoop {
  readonly #deps: AgentLoopDeps;
  readonly #options: Required<AgentLoopOptions>;

  constructor(deps: AgentLoopDeps, options: AgentLoopOptions = {}) {
    this.#deps = deps;
    this.#options = { pollMs: 8000, pace: (ms) => ms, progressMs: 2000, graceMs: 10_000, ...options };
  }

  /**
   * Runs under the session's epoch until `signal` aborts, and then until what runs has ended or was cut.
   * @throws Superseded when the ledger has issued a newer epoch; Error when a command does not stop, or its end cannot
   * be noted
   */
  async run(signal: AbortSignal): Promise<void> {
    const { session, journal, doorbell, log } = this.#deps;
    const failing = new AbortController();
    const over = new AbortController();
    const stopping = AbortSignal.any([signal, failing.signal]);
    // the first failure is the reason of all others
    const failed = (error: unknown) => failing.abort(error);

    const reporter = new Reporter(
      {
        session,
        log,
        acknowledged: ({ id }, more) => {
          this.#deps.outgoing.forget(id);
          this.#deps.ahead?.forget(id);
          journal.forget(id);
          set.acknowledged(id);
          claimer.freed(more);
        },
        failed,
      },
      stopping,
    );
    const set = new RunningSet({ ...this.#deps, report: (report) => reporter.add(report), failed });
    const watcher = new Watcher(session, set, this.#options.progressMs);
    const rings = new Rings(doorbell, () => {
      watcher.look();
      this.#deps.rung?.();
      if (!this.#wish(set).free) this.#deps.rungWhileFull?.();
    });
    let known = false;
    const take = (answer: ClaimResponse) => {
      if (answer.complete && !known) {
        known = true;
        this.#forgetOthers(answer, set);
      }
      const taken = set.take([...answer.resumed, ...answer.commands]);
      if (taken > 0) {
        watcher.begin();
        this.#deps.took?.();
      }
      return taken;
    };
    const wish = () => this.#wish(set);
    const { pollMs, pace } = this.#options;
    const claimer = new Claimer({ session, rings, log, wish, take }, () => pace(pollMs));

    // Outcomes that an earlier life of this agent could not tell any more.
    for (const { command, user, outcome } of journal.open()) if (outcome) set.tell(command, user, outcome);
    const watching = watcher.run(over.signal).catch(failed);
    await claimer.run(stopping).catch(failed);
    await set.close(failing.signal.aborted ? 0 : this.#options.graceMs);
    await reporter.idle();
    over.abort();
    await watching;
    if (failing.signal.aborted) throw failing.signal.reason;
  }

  #wish(set: RunningSet): ClaimWish & { free: boolean } {
    const { lanes } = this.#deps.session;
    const have = set.idsToClaim();
    // without lanes there is one command at a time, from its claim until the ground knows its end
    if (!lanes) return { room: {}, have: [], free: set.size === 0 };
    const room = roomOf(lanes, set.countByLane(), LIMITS.agentCommands);
    return { room, have, free: Object.values(room).some((places) => places > 0) };
  }

  /** A started command that the ledger does not hand out again was ended there, by the operator for example. */
  #forgetOthers(answer: ClaimResponse, set: RunningSet): void {
    const running = new Set([...answer.resumed, ...answer.commands].map(({ id }) => id));
    for (const id of set.ids) running.add(id);
    const others = this.#deps.journal.open().filter(({ command }) => !running.has(command));
    for (const { command } of others) {
      this.#deps.outgoing.forget(command);
      this.#deps.ahead?.forget(command);
      this.#deps.journal.forget(command);
    }
    if (others.length > 0) this.#deps.forgotten?.(others.map(({ command }) => command));
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { isOperation, OPERATIONS } from "#protocol/operations.ts";
import type { ClaimedCommand, Outcome } from "#protocol/wire.ts";
import { GroundUnavailable } from "../ground/ground-client.ts";
import { ShuttingDown } from "../operation.ts";
import { Backoff } from "./backoff.ts";
import { type ExecuteParts, execute, type Running } from "./execute.ts";

export type AgentLoopParts = ExecuteParts & {
  doorbell: { wait(ms: number, signal?: AbortSignal): Promise<boolean> };
  log: Logger;
};

export type AgentLoopOptions = {
  /** claim this often (ms) though nothing rang; under the 15 s after which a waiting call gives up (default 8 s) */
  pollMs?: number;
  /** tell progress and ask for a cancel this often (ms, default 2 s) */
  progressMs?: number;
  /** a stopping agent lets its command go on this long (ms, default 10 s) */
  graceMs?: number;
};

/** A newer agent serves the edge: this one must not go on. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

/** Claims one command after the other, does it, reports it. */
export class AgentLoop {
  readonly #parts: AgentLoopParts;
  readonly #options: Required<AgentLoopOptions>;
  #claimedOnce = false;

  constructor(parts: AgentLoopParts, options: AgentLoopOptions = {}) {
    this.#parts = parts;
    this.#options = { pollMs: 8000, progressMs: 2000, graceMs: 10_000, ...options };
  }

  /**
   * Runs under one epoch until `signal` aborts.
   * @throws Superseded when the ledger has issued a newer epoch
   */
  async run(epoch: number, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    await this.#reportEarlier(epoch, signal);
    let more = true;
    while (!signal.aborted) {
      // A ring that came meanwhile ends the wait at once: the doorbell keeps it.
      if (!more) await this.#parts.doorbell.wait(this.#options.pollMs, signal);
      if (signal.aborted) return;
      let command: ClaimedCommand | undefined;
      try {
        command = await this.#parts.ground.claim(epoch);
        backoff.reset();
      } catch (error) {
        await this.#waitOut(error, backoff, signal);
        // The ring that brought us here was heard: it will not come again.
        more = true;
        continue;
      }
      this.#forgetOthers(command);
      more = command !== undefined;
      if (!command) continue;
      killPoint("loop.claimed");
      more = await this.#work(command, epoch, signal);
    }
  }

  /** Does one command and reports it. @returns whether another one waits */
  async #work(command: ClaimedCommand, epoch: number, signal: AbortSignal): Promise<boolean> {
    const { log } = this.#parts;
    log.debug({ command: command.id, operation: command.operation, attempts: command.attempts }, "claimed");
    const running = execute(this.#parts, command, epoch);
    const over = new AbortController();
    const shutDown = () => {
      const timer = setTimeout(() => running.shutDown(), this.#options.graceMs);
      over.signal.addEventListener("abort", () => clearTimeout(timer));
    };
    signal.addEventListener("abort", shutDown, { once: true });
    if (signal.aborted) shutDown();
    this.#watch(running, epoch, over.signal).catch((error: unknown) => {
      log.error(
        { err: error, command: command.id },
        "a command is not watched any more: no progress, no cancel",
      );
    });
    let outcome: Outcome;
    try {
      outcome = await running.outcome;
    } catch (error) {
      if (error instanceof ShuttingDown) return false;
      throw error;
    } finally {
      over.abort();
      signal.removeEventListener("abort", shutDown);
    }
    killPoint("loop.before.report");
    return this.#report(command, outcome, epoch, signal);
  }

  /** Tells progress and learns of a cancel, at every ring and every `progressMs`. */
  async #watch(running: Running, epoch: number, over: AbortSignal): Promise<void> {
    const { command } = running;
    const backoff = new Backoff(this.#options.progressMs);
    // Most commands are over before anybody could ask: spare them the round trips.
    await sleep(200, undefined, { signal: over }).catch(() => undefined);
    while (!over.aborted) {
      await this.#parts.doorbell.wait(this.#options.progressMs, over);
      if (over.aborted) return;
      try {
        const { progress } = running;
        const cancel = await this.#parts.ground.progress({
          epoch,
          user: command.user,
          command: command.id,
          ...(progress && { progress }),
        });
        if (cancel) running.cancel();
        backoff.reset();
      } catch {
        // The report will tell, and finds out itself whether this agent still counts.
        await backoff.wait(over);
      }
    }
  }

  /**
   * Reports until the ground has it. Cut by a shutdown it is told by the next start, from the journal.
   * @returns whether another command waits
   */
  async #report(
    { id: command, user, operation }: { id: string; user: string; operation: string },
    outcome: Outcome,
    epoch: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const backoff = new Backoff();
    let told = outcome;
    let more = true;
    for (;;) {
      try {
        more = await this.#parts.ground.report({ epoch, user, command, outcome: told });
        break;
      } catch (error) {
        if (error instanceof PerigeeError && error.code === "COMMAND_NOT_FOUND") break;
        if (error instanceof PerigeeError && ["INVALID_PARAMETERS", "BODY_TOO_LARGE"].includes(error.code)) {
          this.#parts.log.error({ err: error, command }, "the ground refuses the outcome");
          told = { state: "failed", failure: { code: "INTERNAL_ERROR", message: "Internal error" } };
          continue;
        }
        if (signal.aborted && backoff.tries >= 3) return false;
        await this.#waitOut(error, backoff);
      }
    }
    killPoint(`loop.after.report.${operation}`);
    this.#parts.outgoing?.forget(command);
    // What only read was never written down.
    const readOnly = isOperation(operation) && !OPERATIONS[operation].changes;
    if (!readOnly) this.#parts.journal.forget(command);
    return more;
  }

  /** Outcomes that an earlier life of this agent could not tell any more. */
  async #reportEarlier(epoch: number, signal: AbortSignal): Promise<void> {
    for (const { command, user, outcome } of this.#parts.journal.open()) {
      if (!outcome || signal.aborted) continue;
      await this.#report({ id: command, user, operation: "earlier" }, outcome, epoch, signal);
    }
  }

  /** A started command that the ledger does not hand out again was ended there, by the operator for example. */
  #forgetOthers(command: ClaimedCommand | undefined): void {
    if (this.#claimedOnce) return;
    this.#claimedOnce = true;
    for (const entry of this.#parts.journal.open()) {
      if (entry.command !== command?.id) this.#parts.journal.forget(entry.command);
    }
  }

  async #waitOut(error: unknown, backoff: Backoff, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    if (error instanceof PerigeeError && error.code === "STALE_EPOCH") {
      throw new Superseded("a newer agent serves this edge", { cause: error });
    }
    if (!(error instanceof GroundUnavailable))
      this.#parts.log.error({ err: error }, "the ground refuses the agent");
    else if (backoff.tries === 0) this.#parts.log.warn({ err: error }, "no contact with the ground");
    await backoff.wait(signal);
  }
}

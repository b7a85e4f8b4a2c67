import type { Logger } from "pino";
import { INTERNAL_ERROR, PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import type { Outcome } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import type { GroundSession } from "../ground/ground-session.ts";
import { refusesContent } from "../ground/refuses-content.ts";
import { waitOut } from "./ground-refusals.ts";

/** How a command ended. `operation` only names it for tests of what survives. */
export type Report = {
  id: string;
  user: string;
  operation: string;
  outcome: Outcome;
  /** as it was claimed; undefined for what an earlier life left */
  lane?: string | undefined;
};

export type ReporterDeps = {
  session: GroundSession;
  log: Logger;
  /** the ground has it. @param more another command waits */
  acknowledged(report: Report, more: boolean): void;
  /** Superseded, or what `acknowledged` threw: the agent cannot go on */
  failed(error: unknown): void;
};

/** Reports that are sent at the same time. */
const AT_ONCE = 4;

/** In place of an outcome that the ground refuses. Where it refuses this one too, it is asked again later. */
const REFUSED: Outcome = { state: "failed", failure: INTERNAL_ERROR };

/** A stopping agent tries so often to reach the ground; its next start tells what is left, from the journal. */
const LAST_TRIES = 3;

/**
 * Reports the outcomes of commands to the ground and repeats each report until it is acknowledged. Reports that cannot
 * be delivered wait here under one shared backoff; they block neither claims nor running commands.
 */
export class Reporter {
  readonly #deps: ReporterDeps;
  readonly #backoff = new Backoff();
  readonly #waiting: Report[] = [];
  readonly #signal: AbortSignal;
  readonly #sending = new Set<Promise<void>>();

  /** @param signal aborts when the agent stops */
  constructor(deps: ReporterDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  add(report: Report): void {
    this.#waiting.push(report);
    if (this.#sending.size >= AT_ONCE) return;
    const sending = this.#send()
      .catch((error: unknown) => this.#deps.failed(error))
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  /** Resolves when all is told, or a stopping agent has given up. */
  async idle(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  async #send(): Promise<void> {
    for (let report = this.#waiting.shift(); report; report = this.#waiting.shift()) {
      const { id: command, user, operation, outcome, lane } = report;
      let more = true;
      try {
        killPoint("loop.before.report");
        more = await this.#deps.session.report({ user, command, outcome, ...(lane && { lane }) });
        this.#backoff.reset();
      } catch (error) {
        const code = error instanceof PerigeeError ? error.code : undefined;
        // Whatever became of it, nobody waits for it any more.
        if (code !== "COMMAND_NOT_FOUND") {
          if (refusesContent(error) && outcome !== REFUSED) {
            this.#deps.log.error({ err: error, command }, "the ground refuses the outcome");
            this.#waiting.unshift({ ...report, outcome: REFUSED });
            continue;
          }
          if (this.#signal.aborted && this.#backoff.tries >= LAST_TRIES) return;
          await waitOut(error, this.#backoff, this.#deps);
          this.#waiting.push(report);
          continue;
        }
      }
      killPoint(`loop.after.report.${operation}`);
      this.#deps.acknowledged(report, more);
    }
  }
}

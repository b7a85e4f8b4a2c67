import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { isTerminal } from "#protocol/state.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import type { Staging } from "../ports/staging.ts";
import type { Changes } from "./changes.ts";

export type JanitorParts = {
  ledger: Ledger;
  store: LedgerStore;
  staging: Staging;
  changes: Changes;
  edges: () => Promise<string[]>;
  now: () => number;
  log: Logger;
};

/** Items deleted in one round: a round is short, the next one goes on. */
const SWEEP = 1000;

/**
 * Cleans up after whoever died: unclaimed commands and uploads that are too old, staged objects of commands
 * that have ended, history past its time. Nothing rests on it: every rule holds while it does not run.
 */
export class Janitor {
  readonly #parts: JanitorParts;

  constructor(parts: JanitorParts) {
    this.#parts = parts;
  }

  /**
   * One round.
   * @param stagingMs age (ms) from which an unfinished upload is given up: 0 when its server is known dead
   */
  async round(stagingMs?: number): Promise<void> {
    const { ledger, store, changes, now, log } = this.#parts;
    for (const edge of await this.#parts.edges()) {
      for (const command of await ledger.expireAbandoned(edge, stagingMs)) {
        log.info({ edge, command: command.id }, "expired an abandoned command");
        changes.changed(command.id);
      }
    }
    await this.#cleanStaging("uplink");
    await this.#cleanStaging("downlink");
    while ((await store.sweep(now(), SWEEP)) === SWEEP);
  }

  async #cleanStaging(root: "uplink" | "downlink"): Promise<void> {
    const { ledger, staging, now } = this.#parts;
    for (const user of await staging.listNames(`${root}/`)) {
      for (const pod of await staging.listNames(`${root}/${user}/`)) {
        for (const id of await staging.listNames(`${root}/${user}/${pod}/`)) {
          const command = await ledger.command(user, id).catch(missing);
          const keep =
            command &&
            (!isTerminal(command.state) ||
              (root === "downlink" && now() - (command.endedAt ?? 0) < LIMITS.downlinkMs));
          if (!keep) await staging.deletePrefix(`${root}/${user}/${pod}/${id}/`);
        }
      }
    }
  }
}

/** No such command is an answer; a ledger that does not answer is not. */
function missing(error: unknown): undefined {
  if (error instanceof PerigeeError && error.code === "COMMAND_NOT_FOUND") return undefined;
  throw error;
}

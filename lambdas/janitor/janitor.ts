import type { Logger } from "pino";
import { decodeTime } from "ulid";
import { LIMITS } from "#protocol/limits.ts";
import { isTerminal } from "#protocol/state.ts";
import type { Changes } from "../dispatch/changes.ts";
import { mapWithLimit } from "../dispatch/map-with-limit.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { unlessNoCommand } from "../ledger/refusals.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import type { Staging } from "../ports/staging.ts";

export type JanitorParts = {
  ledger: Ledger;
  store: LedgerStore;
  staging: Staging;
  changes: Changes;
  edges: () => Promise<string[]>;
  now: () => number;
  log: Logger;
  /** ms that a round may still take (default: any time); what it does not reach is the next one's */
  timeLeftMs?: () => number;
};

/** Items deleted in one round: a round is short, the next one goes on. */
const SWEEP = 1000;
/** Commands looked at, at once. */
const AT_ONCE = 16;
/** A round that has less time left (ms) than this ends. */
const LAST_MS = 30_000;

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
      // One edge whose records cannot be cleaned does not keep the others, nor the ground from its start.
      const expired = await ledger.expireAbandoned(edge, stagingMs).catch((error: unknown) => {
        log.error({ err: error, edge }, "abandoned commands of an edge are left for the next round");
        return [];
      });
      for (const command of expired) {
        log.info({ edge, command: command.id }, "expired an abandoned command");
        changes.changed(command.id);
      }
    }
    await this.#cleanStaging("uplink");
    await this.#cleanStaging("downlink");
    while (!this.#isLate() && (await store.sweep(now(), SWEEP)) === SWEEP);
  }

  async #cleanStaging(root: "uplink" | "downlink"): Promise<void> {
    const { staging, now } = this.#parts;
    // What is younger stays whatever became of it: that needs no look at the ledger.
    const before = root === "downlink" ? now() - LIMITS.downlinkMs : Number.POSITIVE_INFINITY;
    for (const user of await staging.listNames(`${root}/`)) {
      for (const pod of await staging.listNames(`${root}/${user}/`)) {
        const ids = await staging.listNames(`${root}/${user}/${pod}/`);
        await mapWithLimit(
          AT_ONCE,
          ids.filter((id) => !(madeAt(id) > before)),
          (id) => this.#cleanCommand(root, user, `${root}/${user}/${pod}/${id}/`, id),
        );
      }
    }
  }

  async #cleanCommand(root: string, user: string, prefix: string, id: string): Promise<void> {
    const { ledger, staging, now, log } = this.#parts;
    if (this.#isLate()) return;
    const command = await ledger.command(user, id).catch(unlessNoCommand);
    const keep =
      command &&
      (!isTerminal(command.state) ||
        (root === "downlink" && now() - (command.endedAt ?? 0) < LIMITS.downlinkMs));
    if (keep) return;
    // One that cannot be deleted now does not keep the others.
    await staging.deletePrefix(prefix).catch((error: unknown) => {
      log.warn({ err: error, command: id }, "staged objects are left for the next round");
    });
  }

  #isLate(): boolean {
    return (this.#parts.timeLeftMs?.() ?? Number.POSITIVE_INFINITY) < LAST_MS;
  }
}

/** When the command of this id was made (ms); NaN for what is no id. */
function madeAt(id: string): number {
  try {
    return decodeTime(id);
  } catch {
    return Number.NaN;
  }
}

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { type WindowPlan, windowPlan } from "#protocol/contact-window.ts";

/**
 * The plan in the agent's data, over restarts. It is a hint that the ground tells again: a file that is gone or broken
 * is no plan, and one that cannot be written is missed at the next start only.
 */
export class PlanFile {
  readonly #path: string;
  readonly #log: Pick<Logger, "warn">;

  /** @param directory of the agent's data */
  constructor(directory: string, log: Pick<Logger, "warn">) {
    this.#path = join(directory, "contact-windows.json");
    this.#log = log;
  }

  read(): WindowPlan | undefined {
    try {
      return windowPlan.parse(JSON.parse(readFileSync(this.#path, "utf8")));
    } catch {
      return undefined;
    }
  }

  /** Replaces what is kept; undefined: nothing is. Never throws. */
  write(plan: WindowPlan | undefined): void {
    try {
      if (plan) {
        writeFileSync(`${this.#path}.part`, JSON.stringify(plan), { mode: 0o600 });
        renameSync(`${this.#path}.part`, this.#path);
      } else rmSync(this.#path, { force: true });
    } catch (err) {
      this.#log.warn({ err }, "the plan of contact windows could not be kept");
    }
  }
}

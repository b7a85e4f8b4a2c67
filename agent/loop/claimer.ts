import type { Logger } from "pino";
import { killPoint } from "#protocol/kill-point.ts";
import type { ClaimResponse } from "#protocol/wire.ts";
import { Backoff } from "../backoff.ts";
import type { ClaimWish, GroundSession } from "../ground/ground-session.ts";
import { waitOut } from "./ground-refusals.ts";
import type { Rings } from "./rings.ts";

export type ClaimerDeps = {
  session: GroundSession;
  rings: Rings;
  log: Logger;
  /** what may be asked for now. `free`: there is a place for something new */
  wish(): ClaimWish & { free: boolean };
  /** takes over what was claimed. @returns how many of them it did not have yet */
  take(answer: ClaimResponse): number;
};

/**
 * Claims commands: at the start, at a ring of the doorbell, when a place becomes free and more commands wait, and at
 * every poll. After a lost answer it claims again even without a free place, because the ledger may have handed out
 * commands that never arrived.
 */
export class Claimer {
  readonly #deps: ClaimerDeps;
  readonly #pollMs: () => number;
  /** something may wait that was not asked for yet */
  #more = true;

  /** @param pollMs asked before each wait */
  constructor(deps: ClaimerDeps, pollMs: () => number) {
    this.#deps = deps;
    this.#pollMs = pollMs;
  }

  /** A place is free. @param more the ground says that another command waits */
  freed(more: boolean): void {
    if (more || this.#more) this.#deps.rings.wake();
  }

  /** Claims until `signal` aborts. @throws Superseded */
  async run(signal: AbortSignal): Promise<void> {
    const { session, rings, log, wish, take } = this.#deps;
    const backoff = new Backoff();
    let sure = false;
    for (let look = true; !signal.aborted; ) {
      // A ring that came meanwhile ends the wait at once: the doorbell keeps it.
      if (!look) await rings.next(this.#pollMs(), signal);
      if (signal.aborted) return;
      const { free, ...wanted } = wish();
      if (!free && (sure || !session.lanes)) {
        this.#more = true;
        look = false;
        continue;
      }
      let answer: ClaimResponse;
      try {
        answer = await session.claim(wanted);
      } catch (error) {
        sure = false;
        await waitOut(error, backoff, { log, session }, signal);
        // The ring that brought us here was heard: it will not come again.
        look = true;
        continue;
      }
      backoff.reset();
      sure = answer.complete;
      this.#more = answer.more;
      if (signal.aborted) return;
      if (answer.resumed.length + answer.commands.length > 0) killPoint("loop.claimed");
      const taken = take(answer);
      look = !answer.complete || (answer.more && taken > 0);
    }
  }
}

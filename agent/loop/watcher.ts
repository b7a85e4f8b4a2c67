import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "#protocol/limits.ts";
import { Backoff } from "../backoff.ts";
import type { GroundSession } from "../ground/ground-session.ts";
import type { RunningSet } from "./running-set.ts";

/** Most commands are over before anybody could ask: spare them the round trip (ms). */
const FIRST_MS = 200;

/** Tells the ground how far all commands are, and learns which should stop: at every ring and every `everyMs`. */
export class Watcher {
  readonly #session: GroundSession;
  readonly #set: RunningSet;
  readonly #everyMs: number;
  #wake: (() => void) | undefined;
  /** there are commands to watch */
  #begun = false;
  /** it rang since the last look */
  #due = false;

  constructor(session: GroundSession, set: RunningSet, everyMs: number) {
    this.#session = session;
    this.#set = set;
    this.#everyMs = everyMs;
  }

  /** There are commands to watch. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#due = false;
    this.#wake?.();
  }

  /** It rang: one of them may be to stop. */
  look(): void {
    if (!this.#begun) return;
    this.#due = true;
    this.#wake?.();
  }

  /** Watches until `over` aborts. */
  async run(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      if (this.#set.size === 0) await this.#wait(undefined, over);
      await sleep(FIRST_MS, undefined, { signal: over }).catch(() => undefined);
      await this.#watch(over);
      this.#begun = false;
    }
  }

  /** Until there are none any more. */
  async #watch(over: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#everyMs);
    while (this.#set.size > 0 && !over.aborted) {
      if (!this.#due) await this.#wait(this.#everyMs, over);
      this.#due = false;
      if (over.aborted) return;
      try {
        await this.#tell();
        backoff.reset();
      } catch {
        // The reports will tell, and find out themselves whether this agent still counts.
        await backoff.wait(over);
      }
    }
  }

  async #tell(): Promise<void> {
    const all = this.#set.news();
    for (let at = 0; at < all.length; at += LIMITS.progressCommands) {
      const some = all.slice(at, at + LIMITS.progressCommands);
      const { cancel, kill } = await this.#session.progress(some.map(({ news }) => news));
      for (const { told } of some) told();
      for (const id of cancel) this.#set.cancel(id, kill?.includes(id));
    }
  }

  /** Until it is woken, `ms` are over (undefined: never) or `over` aborts. */
  async #wait(ms: number | undefined, over: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = () => resolve();
    this.#wake = end;
    const timer = ms === undefined ? undefined : setTimeout(end, ms);
    over.addEventListener("abort", end);
    if (over.aborted) end();
    await promise;
    over.removeEventListener("abort", end);
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

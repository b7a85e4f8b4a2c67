import { PerigeeError } from "#protocol/errors.ts";

/** Of several at work on one thing the newest ends the others. */
export class NewestTurns {
  readonly #running = new Map<string, { abort: AbortController; done: Promise<unknown> }>();

  /** Runs `work` once what was under way of that name has ended. @throws CANCELLED when a newer one came */
  async run(name: string, work: (signal: AbortSignal) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const abort = new AbortController();
    // A client that was cut sends again before we know that its first connection is dead.
    const before = this.end(name);
    const done = before.then(() => work(AbortSignal.any(signal ? [abort.signal, signal] : [abort.signal])));
    const turn = { abort, done };
    this.#running.set(name, turn);
    try {
      await done;
    } finally {
      if (this.#running.get(name) === turn) this.#running.delete(name);
    }
  }

  /** Ends what is under way of that name. @returns whether it had come to its end all the same */
  async end(name: string): Promise<boolean> {
    const turn = this.#running.get(name);
    if (!turn) return false;
    turn.abort.abort(new PerigeeError("CANCELLED", "The part is being sent again"));
    return turn.done.then(
      () => true,
      () => false,
    );
  }
}

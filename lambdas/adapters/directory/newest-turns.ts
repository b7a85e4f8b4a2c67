import { PerigeeError } from "#protocol/errors.ts";

/** A newer one has taken its place: whoever sent it asks again, as when too many come at once. */
export class Superseded extends PerigeeError {
  constructor() {
    super("TOO_MANY_REQUESTS", "The part is being sent again");
  }
}

/** Of several at work on one thing the newest ends the others. */
export class NewestTurns {
  readonly #running = new Map<string, { abort: AbortController; done: Promise<unknown> }>();

  /** Runs `work` once what was under way of that name has ended. @throws Superseded when a newer one came */
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

  /** Ends all that is under way of names that begin so. */
  async endAll(prefix: string, why: PerigeeError): Promise<void> {
    const names = [...this.#running.keys()].filter((name) => name.startsWith(prefix));
    await Promise.all(names.map((name) => this.end(name, why)));
  }

  /** Ends what is under way of that name. @returns whether it had come to its end all the same */
  async end(name: string, why: PerigeeError = new Superseded()): Promise<boolean> {
    const turn = this.#running.get(name);
    if (!turn) return false;
    turn.abort.abort(why);
    return turn.done.then(
      () => true,
      () => false,
    );
  }
}

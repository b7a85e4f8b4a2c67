/** What a turn of the event loop puts on a socket leaves it in one system call. */
export class OneWrite {
  readonly #socket: { cork(): void; uncork(): void };
  #corked = false;

  constructor(socket: { cork(): void; uncork(): void }) {
    this.#socket = socket;
  }

  /** Call before each write. */
  begin(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }
}

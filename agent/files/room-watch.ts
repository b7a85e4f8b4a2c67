const EACH_MS = 1000;

/** A signal that aborts with what `assertRoom` throws, which is asked each second until this is disposed of. */
export class RoomWatch {
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(assertRoom: (bytes: number) => void, eachMs = EACH_MS) {
    this.#timer = setInterval(() => {
      try {
        assertRoom(0);
      } catch (error) {
        this.#stop.abort(error);
        clearInterval(this.#timer);
      }
    }, eachMs);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** A message of a client: a text frame's bytes (valid UTF-8), or a binary frame's. */
export type UserMessage = { data: Buffer; binary: boolean };

/** Bytes that wait here before the source is paused. */
const MOST_BYTES = 64 * 1024;
/** What a message holds beside its data. */
const OVERHEAD = 64;

/** Messages on their way to one reader; its source is paused while more than a little waits. */
export class MessageQueue implements AsyncIterable<UserMessage> {
  readonly #source: { pause(): void; resume(): void };
  #waiting: UserMessage[] = [];
  #bytes = 0;
  #paused = false;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(source: { pause(): void; resume(): void }) {
    this.#source = source;
  }

  get paused(): boolean {
    return this.#paused;
  }

  push(message: UserMessage): void {
    if (this.#ended) return;
    this.#waiting.push(message);
    this.#bytes += message.data.length + OVERHEAD;
    if (this.#bytes > MOST_BYTES && !this.#paused) {
      this.#paused = true;
      this.#source.pause();
    }
    this.#wake?.();
  }

  /** What waits is still read. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<UserMessage> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message) {
        this.#bytes -= message.data.length + OVERHEAD;
        yield message;
      } else if (this.#ended) {
        return;
      } else {
        if (this.#paused) {
          this.#paused = false;
          this.#source.resume();
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}

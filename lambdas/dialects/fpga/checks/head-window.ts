/** The first bytes of a stream: at most as many as it was made for. */
export class HeadWindow {
  readonly #buffer: Buffer;
  #length = 0;

  /** @param size in bytes, of the program's own choice and never of a file's */
  constructor(size: number) {
    this.#buffer = Buffer.alloc(size);
  }

  push(chunk: Uint8Array): void {
    const room = this.#buffer.length - this.#length;
    if (room === 0) return;
    const part = chunk.subarray(0, room);
    this.#buffer.set(part, this.#length);
    this.#length += part.length;
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0;
  }

  get full(): boolean {
    return this.#length === this.#buffer.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

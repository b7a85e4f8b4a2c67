/** The last bytes of a stream: at most as many as it was made for. */
export class TailWindow {
  readonly #size: number;
  /** twice the size, so that what is kept is moved once in as many bytes */
  readonly #buffer: Buffer;
  #length = 0;

  /** @param size in bytes, of the program's own choice and never of a file's */
  constructor(size: number) {
    this.#size = size;
    this.#buffer = Buffer.alloc(2 * size);
  }

  push(chunk: Uint8Array): void {
    const last = chunk.subarray(Math.max(0, chunk.length - this.#size));
    if (this.#length + last.length > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#length - this.#size, this.#length);
      this.#length = this.#size;
    }
    this.#buffer.set(last, this.#length);
    this.#length += last.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(Math.max(0, this.#length - this.#size), this.#length);
  }
}

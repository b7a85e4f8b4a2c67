/**
 * Bytes of a stream as text: a character that is cut between two pieces comes with the second one, and what is not
 * UTF-8 becomes U+FFFD.
 */
export class TextStream {
  // a byte order mark is output like any other
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** The characters that are whole by now; may be empty. */
  add(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** What is left of a character whose end never came. */
  end(): string {
    return this.#decoder.decode();
  }
}

import type { Execution, OutputPiece } from "#agent/sessions/pod-sessions.ts";

/** A program whose every step is the test's. */
export class ScriptedExecution implements Execution {
  readonly signals: string[] = [];
  readonly input: Buffer[] = [];
  wasCut = false;
  readonly exit: Promise<number>;
  readonly output: AsyncIterable<OutputPiece>;
  readonly #exited = Promise.withResolvers<number>();
  readonly #pieces: OutputPiece[] = [];
  /** does it end when it is asked to */
  readonly #docile: boolean;
  #over = false;
  #wake: () => void = () => {};

  constructor(docile: boolean) {
    this.#docile = docile;
    this.exit = this.#exited.promise;
    this.output = this.#read();
  }

  get running(): boolean {
    return !this.#over;
  }

  says(text: string): void {
    if (this.#over) return;
    this.#pieces.push({ stream: "stdout", data: Buffer.from(text) });
    this.#wake();
  }

  ends(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#exited.resolve(code);
    this.#wake();
  }

  /** The engine loses it. */
  fails(error: Error): void {
    this.#over = true;
    this.#exited.reject(error);
    this.#wake();
  }

  async write(data: Uint8Array): Promise<void> {
    if (!this.#over) this.input.push(Buffer.from(data));
  }

  async endInput(): Promise<void> {}
  async resize(): Promise<void> {}

  async signal(signal: string): Promise<void> {
    this.signals.push(signal);
    if (this.#docile || signal === "SIGKILL") this.ends(143);
  }

  cut(): void {
    this.wasCut = true;
  }

  async *#read(): AsyncGenerator<OutputPiece> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece) yield piece;
      else if (this.#over) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

import type { Duplex } from "node:stream";
import { KiB } from "#protocol/limits.ts";
import type { TerminalSize } from "#protocol/live.ts";
import type { RawExec } from "../container-exec.ts";
import type { OutputPiece } from "../pod-sessions.ts";
import { piecesOf } from "./pieces.ts";

/** In place of the output of what could not be started stand the engine's words; more is not kept. */
const BEGINNING = 4 * KiB;

/** An execution whose connection to the engine was taken over. */
export class HijackedExec implements RawExec {
  readonly output: AsyncIterable<OutputPiece>;
  readonly exit: () => Promise<number>;
  readonly runsOn: () => Promise<boolean>;
  readonly #socket: Duplex;
  readonly #calls: { resize(size: TerminalSize): Promise<unknown> };
  readonly #pieces: AsyncGenerator<OutputPiece>;
  #first: Promise<IteratorResult<OutputPiece>> | undefined;
  #beginning: Buffer = Buffer.alloc(0);
  #unheard = true;

  constructor(
    socket: Duplex,
    calls: {
      terminal: boolean;
      resize(size: TerminalSize): Promise<unknown>;
      exit(): Promise<number>;
      runsOn(): Promise<boolean>;
    },
  ) {
    this.#socket = socket;
    this.#calls = calls;
    // it may break while nobody reads it; its reader hears of it all the same
    socket.on("error", () => undefined);
    this.exit = calls.exit;
    this.runsOn = calls.runsOn;
    this.#pieces = this.#read(calls.terminal);
    this.output = { [Symbol.asyncIterator]: () => this.#fromFirst() };
  }

  /** What its output begins with. */
  get beginning(): Buffer {
    return this.#beginning;
  }

  /** Its streams have ended, with nothing in them but perhaps the engine's words. */
  get unheard(): boolean {
    return this.#unheard;
  }

  /** Resolves when there is output, or its end; nothing is taken from it. */
  async heard(): Promise<void> {
    this.#first ??= this.#pieces.next();
    const { done, value } = await this.#first;
    this.#unheard = done === true || value.data.includes("unable to find user");
  }

  async write(data: Uint8Array): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded || socket.write(data)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const event of ["drain", "close", "error"]) socket.off(event, done);
        resolve();
      };
      for (const event of ["drain", "close", "error"]) socket.on(event, done);
      if (socket.destroyed) done();
    });
  }

  async endInput(): Promise<void> {
    if (!this.#socket.destroyed) this.#socket.end();
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#calls.resize(size);
  }

  cut(): void {
    this.#socket.destroy();
  }

  async *#fromFirst(): AsyncGenerator<OutputPiece> {
    if (this.#first) {
      const { done, value } = await this.#first;
      if (done) return;
      yield value;
    }
    yield* this.#pieces;
  }

  async *#read(terminal: boolean): AsyncGenerator<OutputPiece> {
    for await (const piece of piecesOf(this.#socket, terminal)) {
      if (this.#beginning.length < BEGINNING) {
        this.#beginning = Buffer.concat([this.#beginning, piece.data.subarray(0, BEGINNING)]);
      }
      yield piece;
    }
  }
}

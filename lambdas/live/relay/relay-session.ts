import type { LiveEnd, LiveRequest, LiveTarget } from "#protocol/live.ts";
import type { LiveControl, LivePiece, LiveSession } from "../live-sessions.ts";
import type { RelayLeg } from "./relay-leg.ts";

export type SessionOf = { user: string; edge: string; target: LiveTarget; request: LiveRequest };

/** The ground's end of one session, from the moment it was asked for: it has a socket or waits for one. */
export class RelaySession implements LiveSession {
  readonly id: string;
  readonly of: SessionOf;
  readonly started: Promise<{ size?: number } | undefined>;
  readonly ended: Promise<LiveEnd>;
  /** Called once when the end is known, though output may still be unread. */
  readonly #onEnd: (session: RelaySession, end: LiveEnd) => void;
  readonly #running = Promise.withResolvers<RelayLeg | undefined>();
  readonly #started = Promise.withResolvers<{ size?: number } | undefined>();
  readonly #ended = Promise.withResolvers<LiveEnd>();
  #leg: RelayLeg | undefined;
  #input: Promise<void> = Promise.resolve();
  #end: LiveEnd | undefined;
  #closed = false;
  #told = false;
  #onTaken: () => void = () => {};
  #onOver: (end: LiveEnd) => void = () => {};

  constructor(id: string, of: SessionOf, onEnd: (session: RelaySession, end: LiveEnd) => void) {
    this.id = id;
    this.of = of;
    this.#onEnd = onEnd;
    this.started = this.#started.promise;
    this.ended = this.#ended.promise;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** payload bytes: from the user, and to the user */
  get bytes(): { in: number; out: number } {
    return { in: this.#leg?.channel.sentBytes ?? 0, out: this.#leg?.channel.receivedBytes ?? 0 };
  }

  /** Told when a socket has taken it. */
  onTaken(listener: () => void): void {
    this.#onTaken = listener;
  }

  /** Told once when its end is known and all output was read. */
  onOver(listener: (end: LiveEnd) => void): void {
    this.#onOver = listener;
  }

  /** It runs on this socket from now on: `go` was sent. */
  took(leg: RelayLeg): void {
    this.#leg = leg;
    this.#running.resolve(leg);
    this.#onTaken();
  }

  begun(size: number | undefined): void {
    this.#started.resolve(size === undefined ? undefined : { size });
  }

  /** The first end counts. Output that came before it can still be read. */
  finish(end: LiveEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#running.resolve(undefined);
    this.#onEnd(this, end);
    if (!this.#leg || this.#leg.channel.isEmpty) this.#tellEnd();
  }

  async write(data: Uint8Array): Promise<void> {
    const sent = this.#input.then(async () => {
      const leg = await this.#running.promise;
      if (!this.#end) await leg?.channel.sendData("stdin", data);
    });
    this.#input = sent;
    await sent;
  }

  async control(control: LiveControl): Promise<void> {
    if (this.#end) return;
    // the end of input comes after the input
    const after = control.type === "eof" ? this.#input : Promise.resolve();
    const told = after.then(async () => {
      const leg = await this.#running.promise;
      if (!this.#end) await leg?.tell(control);
    });
    if (control.type === "eof") this.#input = told;
    await told;
  }

  get output(): AsyncIterable<LivePiece> {
    return this.#output();
  }

  close(): void {
    this.#closed = true;
    const leg = this.#leg;
    this.finish({ type: "error", code: "CANCELLED", message: "its user has gone" });
    leg?.close();
    this.#tellEnd();
  }

  async *#output(): AsyncGenerator<LivePiece> {
    // a session that has an end before it runs has no output
    const leg = await this.#running.promise;
    const pieces = leg?.channel.pieces() ?? [];
    for await (const { stream, data } of pieces) {
      if (this.#closed) break;
      if (stream !== "stdin") yield { stream, data };
    }
    if (this.#end) this.#tellEnd();
  }

  #tellEnd(): void {
    if (!this.#end || this.#told) return;
    this.#told = true;
    this.#ended.resolve(this.#end);
    this.#onOver(this.#end);
  }
}

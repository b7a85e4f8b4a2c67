import { createHash, randomUUID } from "node:crypto";
import type {
  LiveControl,
  LivePiece,
  LiveSession,
  LiveSessions,
  ReservedPlace,
} from "#lambdas/live/live-sessions.ts";
import type { LiveTickets, Ticket } from "#lambdas/live/tickets.ts";
import type { LiveEnd } from "#protocol/live.ts";

type Open = Parameters<LiveSessions["open"]>[0];

/** One session as a test plays the edge of it. */
export class ScriptedSession implements LiveSession {
  readonly id = randomUUID();
  readonly of: Open;
  readonly input: Buffer[] = [];
  readonly controls: LiveControl[] = [];
  closed = false;
  readonly started: Promise<{ size?: number } | undefined>;
  readonly ended: Promise<LiveEnd>;
  readonly output: AsyncIterable<LivePiece>;
  readonly #begin = Promise.withResolvers<{ size?: number } | undefined>();
  readonly #end = Promise.withResolvers<LiveEnd>();
  readonly #pieces: LivePiece[] = [];
  #over = false;
  #wake = Promise.withResolvers<void>();

  constructor(of: Open) {
    this.of = of;
    this.started = this.#begin.promise;
    this.ended = this.#end.promise;
    this.output = this.#read();
  }

  // what the dialect calls
  async write(data: Uint8Array): Promise<void> {
    this.input.push(Buffer.from(data));
    this.#changed();
  }
  async control(control: LiveControl): Promise<void> {
    this.controls.push(control);
    this.#changed();
  }
  close(): void {
    this.closed = true;
    this.#over = true;
    this.#changed();
    this.#end.resolve({ type: "error", code: "CANCELLED", message: "closed" });
  }

  // what the test calls
  begin(facts?: { size: number }): void {
    this.#begin.resolve(facts ?? {});
  }
  say(stream: LivePiece["stream"], data: string | Uint8Array): void {
    this.#pieces.push({ stream, data: Buffer.from(data as string) });
    this.#changed();
  }
  finish(end: LiveEnd): void {
    this.#over = true;
    this.#changed();
    this.#end.resolve(end);
  }
  /** Waits until it is so, of what has come in. */
  async until(is: (session: this) => boolean): Promise<void> {
    while (!is(this)) await this.#wake.promise;
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async *#read(): AsyncGenerator<LivePiece> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece) yield piece;
      else if (this.#over) return;
      else await this.#wake.promise;
    }
  }
}

/** Live sessions whose edge is the test's: `next` is the next one that the dialect opens. */
export class ScriptedLive implements LiveSessions {
  isHere = true;
  room = true;
  readonly opened: ScriptedSession[] = [];
  readonly #waiting: ((session: ScriptedSession) => void)[] = [];

  hasRoom(): boolean {
    return this.room;
  }

  reserve(of: Omit<Open, "request">): ReservedPlace | undefined {
    if (!this.room) return undefined;
    return { open: (request) => this.open({ ...of, request }), giveBack: () => {} };
  }

  open(of: Open): LiveSession {
    const session = new ScriptedSession(of);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(session);
    else this.opened.push(session);
    return session;
  }

  next(): Promise<ScriptedSession> {
    const opened = this.opened.shift();
    return opened ? Promise.resolve(opened) : new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export class MemoryTickets implements LiveTickets {
  readonly #tickets = new Map<string, Ticket>();
  /** of each that was made */
  readonly options: Parameters<LiveTickets["create"]>[1][] = [];

  async create(ticket: Ticket, options: Parameters<LiveTickets["create"]>[1]): Promise<string> {
    this.options.push(options);
    const text = randomUUID();
    this.#tickets.set(hash(text), ticket);
    return text;
  }
  async look(text: string): Promise<Ticket | undefined> {
    return this.#tickets.get(hash(text));
  }
  async use(text: string): Promise<Ticket | undefined> {
    const ticket = this.#tickets.get(hash(text));
    this.#tickets.delete(hash(text));
    return ticket;
  }
}

const hash = (text: string) => createHash("sha256").update(text).digest("hex");

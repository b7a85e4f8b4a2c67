import { KiB, LIMITS, MiB } from "#protocol/limits.ts";
import { PRIORITY } from "#protocol/priority.ts";

/** Bound of what is sent at the same time over a thin link, in bytes and in pieces, by all senders together. */
const BYTES_AT_ONCE = 1 * MiB;
const PIECES_AT_ONCE = 8;
/** Of them logs have so much: else they would fill the link before what comes next. */
const LOG_BYTES_AT_ONCE = 256 * KiB;

/** A step higher goes first; each is worth an hour of waiting, as with commands. */
const LOGS = PRIORITY.least - 1;
const RESULTS = PRIORITY.most + 1;

/** What is sent: the logs, or content of a command with its priority; `asked`: files that its user asked for. */
export type Sent = "logs" | { priority?: number | undefined; asked: boolean };

/** Sends the pieces of one transfer, or of the logs, each when it is its turn. */
export type Sender = {
  /**
   * Runs `send` when its bytes may go.
   * @throws the signal's reason where that aborts before; what `send` throws
   */
  turn<T>(bytes: number, send: () => Promise<T>, signal?: AbortSignal): Promise<T>;
};

type Source = { step: number; since?: number; lastTurn: number };
type Piece = { source: Source; since: number; bytes: number; go: () => void };

/**
 * The order in which the edge's bytes go to the ground over a thin link: what commands answer, then files that were
 * asked for by priority, then logs, piece by piece. Those of one step take turns, so that what is small is not behind
 * what is large. Calls, reports among them, do not wait here; while a large one is under way nothing new begins. Over a
 * link that is not thin nothing waits.
 */
export class SendTurns {
  readonly #isThin: () => boolean;
  readonly #now: () => number;
  readonly #waiting: Piece[] = [];
  readonly #logs: Source = { step: LOGS, lastTurn: 0 };
  #pieces = 0;
  #bytes = 0;
  #logBytes = 0;
  #held = 0;
  #turns = 0;
  #arrived = 0;

  /** @param now monotonic ms */
  constructor(isThin: () => boolean, now: () => number) {
    this.#isThin = isThin;
    this.#now = now;
  }

  /** bytes of pieces that were sent whole, by all senders */
  get arrived(): number {
    return this.#arrived;
  }

  /** Somebody who sends; a transfer waits from now on. */
  sender(sent: Sent): Sender {
    const source = sent === "logs" ? this.#logs : { step: stepOf(sent), since: this.#now(), lastTurn: 0 };
    return { turn: (bytes, send, signal) => this.#turn(source, bytes, send, signal) };
  }

  /** Nothing new is sent until `call` has settled: it is a report. */
  async before<T>(call: () => Promise<T>): Promise<T> {
    this.#held++;
    try {
      return await call();
    } finally {
      this.#held--;
      this.#next();
    }
  }

  async #turn<T>(source: Source, bytes: number, send: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(source, bytes, signal);
    try {
      const sent = await send();
      this.#arrived += bytes;
      return sent;
    } finally {
      this.#count(source, -1, -bytes);
      this.#next();
    }
  }

  async #enter(source: Source, bytes: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // A transfer waits since it began. Logs never end: each piece waits for itself.
    const piece = { source, since: source.since ?? this.#now(), bytes, go: resolve };
    this.#waiting.push(piece);
    const abort = () => {
      const at = this.#waiting.indexOf(piece);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(signal?.reason);
      this.#next();
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#next();
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Begins what may be sent now. */
  #next(): void {
    for (let piece = this.#first(); piece; piece = this.#first()) {
      const { source, bytes, go } = piece;
      this.#waiting.splice(this.#waiting.indexOf(piece), 1);
      source.lastTurn = ++this.#turns;
      this.#count(source, 1, bytes);
      go();
    }
  }

  /** The piece whose turn it is, if there is room for it. Nothing goes before it because it is smaller. */
  #first(): Piece | undefined {
    if (!this.#isThin()) return this.#waiting[0];
    if (this.#held > 0) return undefined;
    const may = this.#waiting.filter((piece) => this.#logsFit(piece));
    const step = leastBy(may, aged)?.source.step;
    const ofStep = may.filter(({ source }) => source.step === step);
    const first = leastBy(ofStep, ({ source }) => source.lastTurn);
    return first && this.#fits(first) ? first : undefined;
  }

  #logsFit({ source, bytes }: Piece): boolean {
    return source !== this.#logs || this.#logBytes === 0 || this.#logBytes + bytes <= LOG_BYTES_AT_ONCE;
  }

  #fits({ bytes }: Piece): boolean {
    return this.#pieces === 0 || (this.#pieces < PIECES_AT_ONCE && this.#bytes + bytes <= BYTES_AT_ONCE);
  }

  #count(source: Source, pieces: number, bytes: number): void {
    this.#pieces += pieces;
    this.#bytes += bytes;
    if (source === this.#logs) this.#logBytes += bytes;
  }
}

/** The first of those with the least. */
function leastBy(pieces: readonly Piece[], by: (piece: Piece) => number): Piece | undefined {
  return pieces.reduce<Piece | undefined>(
    (best, one) => (best && by(best) <= by(one) ? best : one),
    undefined,
  );
}

/** Less is first. */
function aged({ since, source }: Piece): number {
  return since - source.step * LIMITS.priorityStepMs;
}

function stepOf(sent: Exclude<Sent, "logs">): number {
  const { priority = PRIORITY.usual, asked } = sent;
  return asked ? priority : RESULTS + priority;
}

import { LIMITS } from "#protocol/limits.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import type { LogFrame } from "../pod-runtime.ts";
import { type Anchor, AnchorSearch, anchorOf, type LogCursor, sameAnchor } from "./log-cursor.ts";
import { LogFaults } from "./log-faults.ts";
import { type LogReader, PACE } from "./log-pace.ts";
import { type Carried, LogRows } from "./log-rows.ts";
import { RecentTimes } from "./recent-times.ts";

export type RunLogOptions = {
  /** Opens the engine's log. */
  read(options: { follow: boolean; since?: string; signal: AbortSignal }): AsyncIterable<LogFrame>;
  /**
   * Resolves when the chunk has landed (retries are inside), with who reads the log as it comes; rejects only when
   * `signal` aborts.
   */
  deliver(seq: number, data: Buffer, signal: AbortSignal): Promise<LogReader>;
  cursor: LogCursor | undefined;
  /** Makes the cursor durable. */
  note(cursor: LogCursor): void;
  /**
   * ms between pushes; ten times that once the run has pushed LIMITS.logBytes. Less while somebody reads the log as it
   * comes
   */
  flushMs: number;
  /** ms before a broken follow is opened again */
  reopenMs: number;
  /** how long (ms) an engine is asked that answers with errors (default LIMITS.logRefusedMs) */
  refusedMs?: number;
  onError(error: unknown): void;
};

/** A flood pauses so many times as long as its last push took: what it takes of a slow link is bounded, whatever is known of it. */
const SHARE = 3;

/** How far before the anchor a follow begins: stdout and stderr are stamped apart, and may cross a little. */
const CROSSING_MS = 5_000;

/** Time stamps, marks and line ends of the rows that one frame may end. */
const ROW_OVERHEAD = 1024;

/** Where lines were that the engine has dropped before they were taken. */
const DROPPED = "… older log lines were dropped\n";

/** In place of the lines that were still to be taken when the run had ended, and that the engine does not give any more. */
const LOST_END = "… the last log lines were dropped\n";

/**
 * Follows the log of one run and delivers it in chunks. A chunk's bounds are noted before it is delivered, so that after
 * a crash the same chunk is made again under the same number. It reads no faster than it delivers: without
 * contact the log stays in the engine, and here are at most two chunks.
 */
export class RunLog {
  readonly #options: RunLogOptions;
  readonly #stop = new AbortController();
  readonly #follow = new AbortController();
  #seq: number;
  /** last frame that is in a chunk noted earlier */
  #from: Anchor | undefined;
  /** last frame taken */
  #last: Anchor | undefined;
  #rows: LogRows;
  /** what the rows held at `#from` */
  #carried: Carried | undefined;
  #ended = false;
  /** the follow was broken off while it was behind: there was more */
  #cut = false;
  #lines: Buffer[] = [];
  #bytes = 0;
  #pushed = 0;
  /** as the answer to the last push said */
  #reader: LogReader = "nobody";
  /** ms that the last push took */
  #tookMs = 0;
  /** ends the pause of a flood: somebody has begun to read it */
  #goOn: () => void = () => undefined;
  /** of all chunks that were noted, in earlier lives too */
  #noted: number;
  #timer: NodeJS.Timeout | undefined;
  #delivery: Promise<void> = Promise.resolve();
  readonly #following: Promise<void>;
  #flushed: Promise<void> | undefined;

  constructor(options: RunLogOptions) {
    this.#options = options;
    this.#seq = options.cursor?.seq ?? 0;
    this.#noted = options.cursor?.bytes ?? 0;
    this.#from = options.cursor?.from;
    this.#last = this.#from;
    this.#carried = options.cursor?.carried;
    this.#rows = new LogRows(this.#carried);
    this.#following = this.#run().catch((error) => this.#failed(error));
  }

  /** Resolves when everything that the engine has was delivered, or when it was given up. The run has ended. */
  flush(): Promise<void> {
    // One that failed is tried again by who asks again.
    this.#flushed ??= this.#drain().catch((error: unknown) => {
      this.#flushed = undefined;
      throw error;
    });
    return this.#flushed;
  }

  /** Gives up what is not delivered. */
  abandon(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    const { cursor } = this.#options;
    if (cursor) {
      await this.#insist(
        () => this.#redo(cursor),
        () => this.#goOnAfter(cursor, Buffer.from(DROPPED), new LogRows()),
      );
    }
    while (!this.#over()) {
      try {
        await this.#followOn();
      } catch (error) {
        this.#failed(error);
      }
      if (!this.#over()) await pause(this.#options.reopenMs, [this.#stop.signal, this.#follow.signal]);
    }
  }

  async #drain(): Promise<void> {
    this.#follow.abort();
    await this.#following;
    await this.#insist(
      () => this.#catchUp(),
      () => this.#dropped(LOST_END),
    );
    await this.#room(this.#rows.heldBytes);
    this.#ended = true;
    this.#add(this.#rows.end());
    await this.#push();
  }

  /** Reads until it succeeds; a log that can never be read is given up: the run's end must not wait for it. */
  async #insist(read: () => Promise<void>, giveUp: () => Promise<void>): Promise<void> {
    const faults = new LogFaults(this.#options.refusedMs);
    while (!this.#stop.signal.aborted) {
      try {
        return await (faults.hopeless ? giveUp() : read());
      } catch (error) {
        this.#failed(error);
        faults.failed(error);
        await pause(this.#options.reopenMs, [this.#stop.signal]);
      }
    }
  }

  /** Makes the chunk that was noted last again, and delivers it under its number: it lands once. */
  async #redo(cursor: LogCursor): Promise<void> {
    let made = await this.#makeAgain(cursor, true);
    // An earlier version filled it with times that do not tell the stream, which are shorter.
    if (made === "too large") made = await this.#makeAgain(cursor, false);
    if (this.#stop.signal.aborted) return;
    if (typeof made === "object") await this.#goOnAfter(cursor, made.chunk, new LogRows(made.carried));
    else await this.#goOnAfter(cursor, Buffer.from(DROPPED), new LogRows());
  }

  /** The chunk that was noted last; undefined where the engine does not have all of it any more. */
  async #makeAgain(
    cursor: LogCursor,
    marked: boolean,
  ): Promise<{ chunk: Buffer; carried: Carried | undefined } | "too large" | undefined> {
    const signal = this.#stop.signal;
    for (const start of [cursor.from, undefined]) {
      let taking = start === undefined;
      let last: Anchor | undefined;
      let bytes = 0;
      const chunk: Buffer[] = [];
      const rows = new LogRows(cursor.carried, { marked });
      for await (const frame of this.#options.read({ follow: false, signal })) {
        last = anchorOf(frame, last);
        if (taking) {
          const row = rows.push(frame);
          bytes += row.length;
          if (bytes > LOG_CHUNK_BYTES) return "too large";
          chunk.push(row);
        }
        if (sameAnchor(last, start)) taking = true;
        if (!taking || !sameAnchor(last, cursor.to)) continue;
        if (cursor.ended) chunk.push(rows.end());
        return { chunk: Buffer.concat(chunk), carried: rows.carried };
      }
      if (taking || signal.aborted) break;
    }
    return undefined;
  }

  /** Delivers what the chunk that was noted last is to be, and goes on behind it. */
  async #goOnAfter(cursor: LogCursor, data: Buffer, rows: LogRows): Promise<void> {
    this.#rows = rows;
    this.#carried = this.#rows.carried;
    this.#seq = cursor.seq + 1;
    this.#from = cursor.to;
    this.#last = cursor.to;
    this.#pushed += data.length;
    this.#reader = await this.#options.deliver(cursor.seq, data, this.#stop.signal);
  }

  async #followOn(): Promise<void> {
    const anchor = this.#last;
    // Lines that appeared before the follow begins are read first: a follow may skip when the clock steps.
    if (anchor) await this.#catchUp();
    const resume = this.#last;
    const since = resume && new Date(Date.parse(resume.time) - CROSSING_MS).toISOString();
    const limit = resume && new Date(Date.parse(resume.time) + CROSSING_MS).toISOString();
    const search = resume && new AnchorSearch(resume);
    let found = search === undefined;
    const signal = AbortSignal.any([this.#stop.signal, this.#follow.signal]);
    /** of each stream */
    const newest = new Map<string, { time: string; partial: boolean }>();
    const recent = new RecentTimes();
    /** what was taken already comes again, up to this frame */
    let again: AnchorSearch | undefined;
    for await (const frame of this.#options.read({ follow: true, since, signal })) {
      if (again) {
        if (again.isAt(frame)) again = undefined;
        else if (frame.time > again.time) return;
      } else if (found) {
        const before = newest.get(frame.stream);
        // The engine may be giving the only line of this stream a second time: reading again from the last frame shows what is
        // new. The pieces of a long line share one time, and are no such case.
        const maybeAgain = frame.time === before?.time && !before.partial;
        if (maybeAgain && this.#last?.stream !== frame.stream) return;
        if (before && frame.time < before.time) {
          // An engine may read a file again from its beginning when it rotates; else: catch up from the last frame.
          if (!recent.has(frame.time) || !this.#last) return;
          again = new AnchorSearch(this.#last);
          again.isAt(frame);
        } else {
          newest.set(frame.stream, { time: frame.time, partial: frame.partial });
          recent.add(frame.time);
          await this.#take(frame);
        }
      } else {
        found = search?.isAt(frame) ?? true;
        // It was dropped by the engine between the two reads.
        if (!found && limit && frame.time > limit) {
          found = true;
          await this.#dropped();
          await this.#take(frame);
        }
      }
      if (signal.aborted) {
        this.#cut = true;
        return;
      }
    }
  }

  /** Takes every frame after the last one taken that the engine has now. */
  async #catchUp(): Promise<void> {
    const resume = this.#last;
    for (const start of resume ? [resume, undefined] : [undefined]) {
      const search = start && new AnchorSearch(start);
      let found = search === undefined;
      let lost = found && resume !== undefined;
      for await (const frame of this.#options.read({ follow: false, signal: this.#stop.signal })) {
        if (lost) await this.#dropped();
        lost = false;
        if (found) await this.#take(frame);
        else found = search?.isAt(frame) ?? true;
      }
      if (this.#stop.signal.aborted) return;
      // A node gives nothing of a file that it has rotated.
      if (lost && this.#cut) await this.#dropped(LOST_END);
      if (found) return;
      // Not there any more: the engine dropped it and all before it, so everything is new.
    }
  }

  async #take(frame: LogFrame): Promise<void> {
    await this.#room(this.#rows.heldBytes + frame.text.length);
    if (this.#stop.signal.aborted) return;
    this.#last = anchorOf(frame, this.#last);
    this.#add(this.#rows.push(frame));
    const { fill, flood } = PACE[this.#reader];
    if (this.#bytes >= LOG_CHUNK_BYTES * fill && this.#pushed > LIMITS.logBytes && !this.#flushed) {
      // A flood: it goes on at the pace of the timer, and the engine drops what is too much.
      const over = new AbortController();
      this.#goOn = () => over.abort();
      const least = Math.min(SHARE * this.#tookMs, PACE.nobody.flood * this.#options.flushMs);
      await pause(Math.max(this.#options.flushMs * flood, least), [
        this.#stop.signal,
        this.#follow.signal,
        over.signal,
      ]);
      if (this.#reader === "near") await this.#push();
    }
  }

  /** The engine has dropped lines that were not taken: what is held of lines ends here, and the log says so. */
  async #dropped(notice = DROPPED): Promise<void> {
    await this.#room(this.#rows.heldBytes);
    this.#add(Buffer.concat([this.#rows.end(), Buffer.from(notice)]));
  }

  /** Sees to it that rows with so many bytes of text fit into the chunk. */
  async #room(bytes: number): Promise<void> {
    if (this.#bytes > 0 && this.#bytes + bytes + ROW_OVERHEAD > LOG_CHUNK_BYTES) await this.#push();
  }

  #add(rows: Buffer): void {
    if (rows.length === 0) return;
    this.#lines.push(rows);
    this.#bytes += rows.length;
    const ms = this.#options.flushMs * PACE[this.#reader].push;
    this.#timer ??= setTimeout(() => void this.#push().catch((e) => this.#failed(e)), ms);
  }

  /** Hands out what is gathered, after the chunk before it has landed. */
  #push(): Promise<void> {
    // A note that failed keeps its lines: the next push takes them along.
    this.#delivery = this.#delivery
      .catch(() => undefined)
      .then(async () => {
        clearTimeout(this.#timer);
        this.#timer = undefined;
        if (this.#bytes === 0 || this.#stop.signal.aborted || !this.#last) return;
        const data = Buffer.concat(this.#lines);
        const seq = this.#seq;
        this.#options.note({
          seq,
          from: this.#from,
          to: this.#last,
          ...(this.#carried && { carried: this.#carried }),
          ...(this.#ended && { ended: true }),
          bytes: this.#noted + data.length,
        });
        this.#noted += data.length;
        this.#seq += 1;
        this.#from = this.#last;
        this.#carried = this.#rows.carried;
        this.#lines = [];
        this.#bytes = 0;
        this.#pushed += data.length;
        const before = this.#reader;
        const began = performance.now();
        this.#reader = await this.#options.deliver(seq, data, this.#stop.signal);
        this.#tookMs = performance.now() - began;
        if (this.#reader === "near" && before !== "near") this.#goOn();
      });
    return this.#delivery;
  }

  #over(): boolean {
    return this.#stop.signal.aborted || this.#follow.signal.aborted;
  }

  #failed(error: unknown): void {
    if (!this.#stop.signal.aborted) this.#options.onError(error);
  }
}

/** Waits `ms`, or less when one of `signals` aborts. */
function pause(ms: number, signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const signal = AbortSignal.any(signals);
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

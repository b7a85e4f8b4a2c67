import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { Serial } from "#protocol/serial.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import type { ListedObject, Staging } from "../ports/staging.ts";
import { compareKeys } from "../ports/staging-key.ts";
import {
  chunkAt,
  chunkName,
  type LogChunk,
  mergeable,
  overflow,
  readChunks,
  uncovered,
} from "./log-chunks.ts";
import { LogLines, tailStart } from "./log-lines.ts";
import { LogReaders } from "./log-readers.ts";
import { LogRows, type RowPage } from "./log-rows.ts";

export type ReadLogOptions = {
  /** the last so many lines; absent: all that is kept */
  tail?: number;
  /** ms since 1970: no line older than this */
  since?: number;
  /** keep the time at the front of every line (default false) */
  timestamps?: boolean;
  signal?: AbortSignal;
};

export type FollowLogOptions = ReadLogOptions & {
  /** Has what writes the log ended? All its log has then arrived. Asked every time before looking for more. */
  ended: () => boolean | Promise<boolean>;
};

export type ReadRowsOptions = {
  /** the cursor of the last row that the caller has; absent or 0: from the beginning */
  after?: number;
  /** rows at most (default 1000) */
  limit?: number;
  /** Has what writes the log ended? Then an end without a line feed is a row too. Asked before each look. */
  ended: () => boolean | Promise<boolean>;
  /** wait so long (ms) for a row when there is none yet and the log has not ended (default 0) */
  waitMs?: number;
  signal?: AbortSignal;
};

/** Rows of a stored log. */
export type StoredPage = RowPage & {
  /** offset of the first byte of the log that is kept */
  begins: number;
  /** nothing more was there behind these rows, but for the beginning of one */
  last: boolean;
};

/** A log among others: they lie under `within`, which ends in `/`, and their names (ULIDs) sort by age. */
export type LogPlace = {
  within: string;
  name: string;
  /** logs that stay there */
  keep: number;
};

export type StoredLogsOptions = {
  /** kept of one log (default LIMITS.logBytes) */
  maxBytes?: number;
  /** ms after which what another process appended is looked for (default 1000) */
  pollMs?: number;
};

const POLL_MS = 1000;
const LIST_LIMIT = 1000;
const TAIL_ATTEMPTS = 5;
/** bytes read for one page of rows */
const ROWS_BYTES = 1024 * 1024;

/**
 * Logs in staging, each under a prefix of its own that ends in `/`. A log is one stream of bytes, stored in pieces
 * named by their offset in it, so that pieces can be merged and the oldest dropped while somebody reads. Lines
 * are stored as `<RFC 3339 time> <text>\n`.
 */
export class StoredLogs {
  readonly #staging: Staging;
  readonly #maxBytes: number;
  readonly #pollMs: number;
  /** one chunk of a log after the other */
  readonly #turns = new Serial();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #readers = new LogReaders();

  constructor(staging: Staging, options: StoredLogsOptions = {}) {
    this.#staging = staging;
    this.#maxBytes = options.maxBytes ?? LIMITS.logBytes;
    this.#pollMs = options.pollMs ?? POLL_MS;
  }

  /**
   * Adds the next chunk of a log. A `seq` that is not above the last one has landed before and changes nothing.
   * @param place where its first chunk makes room: of the logs in the level `within`, the `keep` newest by name stay,
   * and a log that is older than those takes nothing
   * @throws PerigeeError BODY_TOO_LARGE over 256 KiB, STORAGE_FULL
   */
  async append(
    { within, name, keep }: LogPlace,
    { seq, data }: { seq: number; data: Uint8Array },
  ): Promise<void> {
    const prefix = `${within}${name}/`;
    if (data.length > LOG_CHUNK_BYTES) {
      throw new PerigeeError("BODY_TOO_LARGE", `A chunk of log is over ${LOG_CHUNK_BYTES} bytes`);
    }
    await this.#turns.run(prefix, async () => {
      // Of a log that begins there is nothing: the listing that makes room for it says so.
      const logs = seq === 0 ? await this.#staging.listNames(within) : undefined;
      const chunks = logs && !logs.includes(name) ? [] : await this.#chunks(prefix);
      const last = chunks.at(-1);
      if (data.length === 0 || chunks.some((piece) => piece.seq >= seq)) return;
      if (!last && !(await this.#makeRoom({ within, name, keep }, logs))) return;
      const offset = last?.end ?? 0;
      const key = prefix + chunkName(offset, seq);
      await this.#staging.put(key, data, { maxBytes: LOG_CHUNK_BYTES });
      this.look(prefix);
      await this.#tidy([...chunks, { key, offset, end: offset + data.length, seq }]);
    });
  }

  /** Does somebody read this log as it comes? Of those in this process; not who has stopped taking what comes. */
  followed(prefix: string): boolean {
    return this.#readers.has(prefix);
  }

  /** Whoever waits for more of a log looks again at once: it may have ended. */
  look(prefix: string): void {
    for (const wake of this.#waiting.get(prefix) ?? []) wake();
  }

  /** A log as text; empty when nothing was logged or it is kept no more. */
  read(prefix: string, options: ReadLogOptions = {}): Readable {
    return Readable.from(this.#text(prefix, options, options.signal ?? NEVER), AS_BYTES);
  }

  /**
   * Like read, then goes on with what arrives, until `ended` says so and everything was delivered, or `signal`
   * aborts (the stream just ends). What another process appended is found within a second.
   */
  follow(prefix: string, options: FollowLogOptions): Readable {
    const closed = new AbortController();
    const signals = [closed.signal, ...(options.signal ? [options.signal] : [])];
    const text = this.#text(prefix, options, AbortSignal.any(signals), options.ended);
    // a generator that waits cannot be told to return
    return Readable.from(text, AS_BYTES).once("close", () => closed.abort());
  }

  /** The rows after a cursor (see {@link RowPage}), at most about 1 MiB of them. */
  async rows(prefix: string, options: ReadRowsOptions): Promise<StoredPage> {
    const { limit = 1000, waitMs = 0, signal = NEVER } = options;
    const until = performance.now() + waitMs;
    const reader = waitMs > 0 ? this.#readers.begin(prefix) : undefined;
    try {
      for (;;) {
        reader?.looks();
        const left = until - performance.now();
        const more = this.#more(prefix, signal, Math.min(this.#pollMs, Math.max(0, left)));
        try {
          const ended = await options.ended();
          const page = await this.#page(prefix, { after: options.after ?? 0, limit, ended, signal });
          if (page.rows.length > 0 || ended || left <= 0 || signal.aborted) return page;
          await more.promise;
        } finally {
          more.cancel();
        }
      }
    } finally {
      reader?.end();
    }
  }

  /** The rows that are there now. */
  async #page(
    prefix: string,
    { after, limit, ended, signal }: { after: number; limit: number; ended: boolean; signal: AbortSignal },
  ): Promise<StoredPage> {
    const chunks = await this.#chunks(prefix);
    const rows = new LogRows(after, limit);
    let bytes = 0;
    for await (const piece of this.#bytes(prefix, rows.from, signal, chunks)) {
      rows.push(piece.offset, piece.bytes);
      bytes += piece.bytes.length;
      if (rows.full || bytes >= ROWS_BYTES) break;
    }
    const whole = bytes < ROWS_BYTES;
    return { ...rows.page(ended && whole), begins: chunks[0]?.offset ?? 0, last: whole && !rows.full };
  }

  /** A log's text; with `ended` what arrives too, until it says so. */
  async *#text(
    prefix: string,
    options: ReadLogOptions,
    signal: AbortSignal,
    ended?: FollowLogOptions["ended"],
  ): AsyncGenerator<Buffer> {
    const lines = new LogLines(options);
    const reader = ended && this.#readers.begin(prefix);
    try {
      let at = options.tail === undefined ? 0 : await this.#tailOffset(prefix, options.tail);
      while (!signal.aborted) {
        // both before looking: what lands while we look is seen in the next round
        const more = this.#more(prefix, signal);
        try {
          const last = ended ? await ended() : true;
          reader?.looks();
          for await (const { offset, bytes } of this.#bytes(prefix, at, signal)) {
            if (offset > at) yield* some(lines.gap(bytes));
            at = offset + bytes.length;
            yield* some(lines.push(bytes));
            reader?.looks();
          }
          if (last) {
            yield* some(lines.end());
            return;
          }
          await more.promise;
        } finally {
          more.cancel();
        }
      }
    } finally {
      reader?.end();
    }
  }

  /** Everything from byte `from` on, as far as it is kept now; jumps over what was dropped. `listed`: what is there */
  async *#bytes(
    prefix: string,
    from: number,
    signal: AbortSignal,
    listed?: LogChunk[],
  ): AsyncGenerator<{ offset: number; bytes: Buffer }> {
    let at = from;
    let chunks = listed ?? (await this.#chunks(prefix));
    let stale = false;
    for (;;) {
      const chunk = chunkAt(chunks, at);
      if (!chunk || signal.aborted) return;
      const bytes = await this.#fetch(chunk);
      if (!bytes) {
        // merged or dropped since we looked; gone again at once means that the run's log was deleted
        const fresh = await this.#chunks(prefix);
        if (stale && fresh.some(({ key }) => key === chunk.key)) return;
        stale = true;
        chunks = fresh;
        continue;
      }
      stale = false;
      const skip = Math.max(0, at - chunk.offset);
      at = Math.max(at, chunk.offset);
      yield { offset: at, bytes: bytes.subarray(skip) };
      at = chunk.end;
    }
  }

  /** Where the last `lines` lines begin, 0 when there are not so many. */
  async #tailOffset(prefix: string, lines: number): Promise<number> {
    for (let attempt = 0; attempt < TAIL_ATTEMPTS; attempt++) {
      const offset = await this.#searchTail(uncovered(await this.#chunks(prefix)), lines);
      if (offset !== undefined) return offset;
    }
    return 0;
  }

  /** Looks at one piece at a time, from the back; undefined when one has gone (merged or dropped). */
  async #searchTail(chunks: LogChunk[], lines: number): Promise<number | undefined> {
    const end = chunks.at(-1)?.end ?? 0;
    if (lines <= 0) return end;
    let left = lines;
    let before = end;
    for (const chunk of chunks.reverse()) {
      const bytes = await this.#fetch(chunk);
      if (!bytes) return undefined;
      const found = tailStart(bytes.subarray(0, before - chunk.offset), left, before === end);
      if ("start" in found) return chunk.offset + found.start;
      left = found.left;
      before = chunk.offset;
    }
    return 0;
  }

  async #fetch(chunk: LogChunk): Promise<Buffer | undefined> {
    try {
      const { body } = await this.#staging.get(chunk.key);
      const parts: Buffer[] = [];
      for await (const part of body) parts.push(part as Buffer);
      return Buffer.concat(parts);
    } catch (error) {
      if (error instanceof PerigeeError && error.code === "FILE_NOT_FOUND") return undefined;
      throw error;
    }
  }

  async #chunks(prefix: string): Promise<LogChunk[]> {
    const objects: ListedObject[] = [];
    for (let page = LIST_LIMIT; page === LIST_LIMIT; ) {
      const more = await this.#staging.list(prefix, { after: objects.at(-1)?.key, limit: LIST_LIMIT });
      objects.push(...more);
      page = more.length;
    }
    return readChunks(objects);
  }

  /** Before a log's first chunk: drops what is older than the newest ones. False: the log is older itself. */
  async #makeRoom({ within, name, keep }: LogPlace, logs?: string[]): Promise<boolean> {
    const names = [...new Set([name, ...(logs ?? (await this.#staging.listNames(within)))])]
      .sort(compareKeys)
      .reverse();
    for (const old of names.slice(keep)) {
      if (old !== name) await this.#staging.deletePrefix(`${within}${old}/`);
    }
    return names.indexOf(name) < keep;
  }

  /** Drops the oldest over the cap, leftovers of cut merges, and merges small neighbours. */
  async #tidy(all: LogChunk[]): Promise<void> {
    let chunks = uncovered(all);
    const kept = new Set(chunks);
    await this.#drop(all.filter((chunk) => !kept.has(chunk)));
    const old = new Set(overflow(chunks, this.#maxBytes));
    await this.#drop([...old]);
    chunks = chunks.filter((chunk) => !old.has(chunk));
    const group = mergeable(chunks, this.#maxBytes);
    if (group) await this.#merge(group);
  }

  async #merge(group: LogChunk[]): Promise<void> {
    const parts: Buffer[] = [];
    let at = group[0]!.offset;
    for (const chunk of group) {
      const bytes = await this.#fetch(chunk);
      if (!bytes || chunk.offset > at) return;
      parts.push(bytes.subarray(at - chunk.offset));
      at = chunk.end;
    }
    const data = Buffer.concat(parts);
    const [first, last] = [group[0]!, group.at(-1)!];
    const key = first.key.slice(0, first.key.lastIndexOf("/") + 1) + chunkName(first.offset, last.seq);
    await this.#staging.put(key, data, { maxBytes: data.length });
    await this.#drop(group.filter((chunk) => chunk.key !== key));
  }

  async #drop(chunks: LogChunk[]): Promise<void> {
    for (const { key } of chunks) await this.#staging.deletePrefix(key);
  }

  /** Resolves when something may have been appended: told so, or `ms` are over, or aborted. */
  #more(
    prefix: string,
    signal: AbortSignal,
    ms = this.#pollMs,
  ): { promise: Promise<void>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const waiting = this.#waiting.get(prefix) ?? new Set();
    this.#waiting.set(prefix, waiting.add(resolve));
    const abort = () => resolve();
    signal.addEventListener("abort", abort, { once: true });
    const cancel = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      waiting.delete(resolve);
      if (waiting.size === 0 && this.#waiting.get(prefix) === waiting) this.#waiting.delete(prefix);
    };
    return { promise, cancel };
  }
}

/** the signal of who never gives up */
const NEVER = new AbortController().signal;

/** Bytes are read no further ahead than they are taken. */
const AS_BYTES = { objectMode: false, highWaterMark: 1 };

function* some(bytes: Buffer): Generator<Buffer> {
  if (bytes.length > 0) yield bytes;
}

import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import type { ListedObject, Staging } from "../ports/staging.ts";
import { compareKeys, joinKey } from "../ports/staging-key.ts";
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

export type PodKey = { edge: string; user: string; pod: string };
/** `run`: the ULID of the pod/run command */
export type RunKey = PodKey & { run: string };

export type ReadLogOptions = {
  /** only the last lines; absent: everything that is kept */
  tail?: number;
  /** ms since 1970: no older lines */
  since?: number;
  /** keep the time at the beginning of every line (default false) */
  timestamps?: boolean;
  signal?: AbortSignal;
};

export type FollowLogOptions = ReadLogOptions & {
  /** Has the run terminated? Then all of its log has arrived. Called before each look for more. */
  ended: () => boolean | Promise<boolean>;
};

const RUNS_KEPT = 2;
const POLL_MS = 1000;
const LIST_LIMIT = 1000;
const TAIL_ATTEMPTS = 5;

/**
 * The logs of pods in staging, as the agent pushed them; they outlive the pod. The log of a run is one stream of
 * bytes, stored in pieces that are named by their offset, so that pieces can be merged and the oldest dropped
 * while somebody reads. Lines are stored as `<RFC 3339 time> <text>\n`.
 */
export class PodLogs {
  readonly #staging: Staging;
  readonly #maxBytes: number;
  readonly #pollMs: number;
  readonly #appending = new Map<string, Promise<unknown>>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** `maxBytes`: kept of one run (default LIMITS.logBytes). `pollMs`: see follow (default 1000). */
  constructor(staging: Staging, options: { maxBytes?: number; pollMs?: number } = {}) {
    this.#staging = staging;
    this.#maxBytes = options.maxBytes ?? LIMITS.logBytes;
    this.#pollMs = options.pollMs ?? POLL_MS;
  }

  /**
   * Adds the next chunk of a run's log. A `seq` that is not above the last one has landed before and changes
   * nothing. The first chunk of a run deletes the logs of all but the pod's newest two runs; a run older than
   * those is ignored.
   * @throws PerigeeError BODY_TOO_LARGE over 256 KiB, STORAGE_FULL, INVALID_PATH
   */
  async append(chunk: RunKey & { seq: number; data: Uint8Array }): Promise<void> {
    const { seq, data } = chunk;
    if (data.length > LOG_CHUNK_BYTES) {
      throw new PerigeeError("BODY_TOO_LARGE", `A chunk of log is over ${LOG_CHUNK_BYTES} bytes`);
    }
    const prefix = runPrefix(chunk);
    await this.#oneByOne(prefix, async () => {
      const chunks = await this.#chunks(prefix);
      const last = chunks.at(-1);
      if (data.length === 0 || chunks.some((piece) => piece.seq >= seq)) return;
      if (!last && !(await this.#makeRoom(chunk))) return;
      const offset = last?.end ?? 0;
      const key = prefix + chunkName(offset, seq);
      await this.#staging.put(key, data, { maxBytes: LOG_CHUNK_BYTES });
      for (const wake of this.#waiting.get(prefix) ?? []) wake();
      await this.#tidy([...chunks, { key, offset, end: offset + data.length, seq }]);
    });
  }

  /** Runs whose log is kept, newest first. */
  async runs(pod: PodKey): Promise<string[]> {
    return (await this.#staging.listNames(podPrefix(pod))).sort(compareKeys).reverse();
  }

  /** The log of a run as text; empty when nothing was logged or it is no longer kept. */
  read(run: RunKey, options: ReadLogOptions = {}): Readable {
    return this.#stream(run, options, () => true);
  }

  /**
   * Like read, then continues with new bytes until `ended` is true and everything was delivered, or until `signal`
   * aborts (the stream then ends). What another process appended is found within a second.
   */
  follow(run: RunKey, options: FollowLogOptions): Readable {
    return this.#stream(run, options, options.ended);
  }

  #stream(run: RunKey, options: ReadLogOptions, ended: FollowLogOptions["ended"]): Readable {
    const closed = new AbortController();
    const signals = [closed.signal, ...(options.signal ? [options.signal] : [])];
    const text = this.#text(runPrefix(run), options, ended, AbortSignal.any(signals));
    // a generator that is waiting cannot be made to return
    return Readable.from(text, { objectMode: false, highWaterMark: 1 }).once("close", () => closed.abort());
  }

  async *#text(
    prefix: string,
    options: ReadLogOptions,
    ended: FollowLogOptions["ended"],
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    const lines = new LogLines(options);
    let at = options.tail === undefined ? 0 : await this.#tailOffset(prefix, options.tail);
    while (!signal.aborted) {
      // both before reading: what arrives while we read is seen in the next round
      const more = this.#more(prefix, signal);
      try {
        const last = await ended();
        for await (const { offset, bytes } of this.#bytes(prefix, at, signal)) {
          if (offset > at) yield* some(lines.gap(bytes));
          at = offset + bytes.length;
          yield* some(lines.push(bytes));
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
  }

  /** Everything from byte `from` on that is kept now; skips what was dropped. */
  async *#bytes(
    prefix: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ offset: number; bytes: Buffer }> {
    let at = from;
    let chunks = await this.#chunks(prefix);
    let stale = false;
    for (;;) {
      const chunk = chunkAt(chunks, at);
      if (!chunk || signal.aborted) return;
      const bytes = await this.#fetch(chunk);
      if (!bytes) {
        // merged or dropped since it was listed; missing a second time means that the run's log was deleted
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

  /** The offset of the last `lines` lines, 0 when there are fewer. */
  async #tailOffset(prefix: string, lines: number): Promise<number> {
    for (let attempt = 0; attempt < TAIL_ATTEMPTS; attempt++) {
      const offset = await this.#searchTail(uncovered(await this.#chunks(prefix)), lines);
      if (offset !== undefined) return offset;
    }
    return 0;
  }

  /** Searches one piece at a time, from the end; undefined when a piece has gone (merged or dropped). */
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

  /** Before the first chunk of a run: drops all but the newest two runs. False when this run is older than those. */
  async #makeRoom(run: RunKey): Promise<boolean> {
    const runs = [...new Set([run.run, ...(await this.runs(run))])].sort(compareKeys).reverse();
    for (const old of runs.slice(RUNS_KEPT)) {
      if (old !== run.run) await this.#staging.deletePrefix(runPrefix({ ...run, run: old }));
    }
    return runs.indexOf(run.run) < RUNS_KEPT;
  }

  /** Drops the oldest pieces over the bound and leftovers of interrupted merges, and merges small neighbours. */
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

  /** Resolves when something may have been appended: after a notification, after a second, or when aborted. */
  #more(prefix: string, signal: AbortSignal): { promise: Promise<void>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#pollMs);
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

  async #oneByOne<T>(prefix: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#appending.get(prefix) ?? Promise.resolve()).then(work, work);
    this.#appending.set(prefix, turn);
    try {
      return await turn;
    } finally {
      if (this.#appending.get(prefix) === turn) this.#appending.delete(prefix);
    }
  }
}

function podPrefix({ edge, user, pod }: PodKey): string {
  return `${joinKey("logs", edge, user, pod)}/`;
}

function runPrefix(key: RunKey): string {
  return `${podPrefix(key)}${joinKey(key.run)}/`;
}

function* some(bytes: Buffer): Generator<Buffer> {
  if (bytes.length > 0) yield bytes;
}

import net from "node:net";
import { KiB } from "#protocol/limits.ts";
import { plainBodyLength } from "./response-head.ts";

/** Reads go round these; together they fit into a core's cache, so that what came in is written from there. */
const SLOTS = 6;
const SLOT_BYTES = 128 * KiB;
const HEAD_BYTES = 16 * KiB;

/**
 * Takes bytes in order, each call after the one before has resolved. The buffers are the caller's again, to
 * be written over, once it resolves.
 */
export type WriteChunks = (chunks: readonly Buffer[]) => Promise<void>;

export type DownloadOptions = {
  /** http: only */
  url: URL;
  /** first byte wanted */
  start: number;
  /** ms without a byte while nothing is being written */
  idleMs: number;
  signal: AbortSignal;
  write: WriteChunks;
};

/** The connection broke, or the other side went silent, before the body's end. */
export class ConnectionCut extends Error {
  override readonly name = "ConnectionCut";
}

/**
 * GET of one big object over a connection of its own, into a few buffers that are used again and again:
 * Node's client makes a new one for every 64 KiB, and collecting them costs more than receiving.
 *
 * Settles when nothing is being written any more: with true when the whole body was, with false when the
 * answer is not a plain one (see {@link plainBodyLength}; nothing was written then), so that a full client
 * has to ask again. Rejects with {@link ConnectionCut}, the signal's reason, or what `write` rejects with;
 * what had arrived before a cut was written.
 */
export function download(options: DownloadOptions): Promise<boolean> {
  return new Download(options).run();
}

class Download {
  readonly #options: DownloadOptions;
  readonly #slots: Buffer[];
  readonly #settled = Promise.withResolvers<boolean>();
  #socket: net.Socket | undefined;
  /** the slot that the next read fills */
  #next = 0;
  /** slots that are filled or being written: those before `#next` */
  #used = 0;
  #filled: Buffer[] = [];
  #writing = false;
  #head = Buffer.alloc(0);
  /** bytes of the body still to come; undefined while the head is read */
  #left: number | undefined;
  #end: { whole: boolean } | { error: unknown } | undefined;

  constructor(options: DownloadOptions) {
    this.#options = options;
    const memory = Buffer.allocUnsafeSlow(SLOTS * SLOT_BYTES);
    this.#slots = Array.from({ length: SLOTS }, (_, i) =>
      memory.subarray(i * SLOT_BYTES, (i + 1) * SLOT_BYTES),
    );
  }

  async run(): Promise<boolean> {
    const { url, start, idleMs, signal } = this.#options;
    signal.throwIfAborted();
    const socket = net.connect({
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(url.port || 80),
      onread: {
        // asked after every read for the buffer of the next, also when that one has to wait
        buffer: () => this.#slots[this.#next]!,
        callback: (count) => this.#tryTake(this.#slots[this.#next]!.subarray(0, count)),
      },
    });
    this.#socket = socket;
    const abort = () => this.#stop({ error: signal.reason }, true);
    signal.addEventListener("abort", abort, { once: true });
    const cut = (cause?: unknown) =>
      this.#stop({ error: new ConnectionCut("the connection ended before the body", { cause }) });
    socket.on("error", cut).on("end", cut).on("close", cut);
    socket.setTimeout(idleMs).on("timeout", () => {
      // A slow disk is not the other side's silence
      if (this.#writing) socket.setTimeout(idleMs);
      else cut(new Error("no byte for too long"));
    });
    const range = start > 0 ? `Range: bytes=${start}-\r\n` : "";
    socket.write(
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n${range}Connection: close\r\n\r\n`,
    );
    try {
      return await this.#settled.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Nobody catches what is thrown out of a read. */
  #tryTake(chunk: Buffer): boolean {
    try {
      return this.#take(chunk);
    } catch (error) {
      this.#stop({ error }, true);
      return false;
    }
  }

  /** Takes what was read into the next slot; false makes the socket wait. */
  #take(chunk: Buffer): boolean {
    if (this.#end) return false;
    if (this.#used === SLOTS) {
      this.#stop({ error: new Error("a read went over what is being written") }, true);
      return false;
    }
    let body: Buffer | undefined = chunk;
    if (this.#left === undefined) body = this.#readHead(chunk);
    if (this.#left === undefined || !body) return !this.#end;
    // The connection ends with this answer: what follows the body is nobody's
    body = body.subarray(0, this.#left);
    this.#left -= body.length;
    if (body.length > 0) {
      this.#next = (this.#next + 1) % SLOTS;
      this.#used++;
      this.#filled.push(body);
      void this.#write();
    }
    if (this.#left === 0) this.#stop({ whole: true });
    return !this.#end && this.#used < SLOTS;
  }

  /** What follows the head, once that is complete. */
  #readHead(chunk: Buffer): Buffer | undefined {
    const before = this.#head.length;
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES - before)]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#head.length >= HEAD_BYTES) this.#stop({ whole: false });
      return undefined;
    }
    this.#left = plainBodyLength(this.#head.toString("latin1", 0, end), this.#options.start);
    if (this.#left === undefined) this.#stop({ whole: false });
    return chunk.subarray(end + 4 - before);
  }

  /** Writes what is there, as soon as nothing else is being written. */
  async #write(): Promise<void> {
    if (this.#writing || this.#filled.length === 0) return;
    const chunks = this.#filled;
    this.#filled = [];
    this.#writing = true;
    try {
      await this.#options.write(chunks);
    } catch (error) {
      this.#end = undefined;
      this.#stop({ error }, true);
    }
    this.#writing = false;
    this.#used -= chunks.length;
    if (this.#filled.length > 0) void this.#write();
    else this.#settle();
    if (!this.#end) this.#socket?.resume();
  }

  #stop(end: { whole: boolean } | { error: unknown }, drop = false): void {
    if (drop) this.#filled = [];
    this.#end ??= end;
    this.#socket?.destroy();
    this.#settle();
  }

  #settle(): void {
    if (!this.#end || this.#writing || this.#filled.length > 0) return;
    if ("error" in this.#end) this.#settled.reject(this.#end.error);
    else this.#settled.resolve(this.#end.whole);
  }
}

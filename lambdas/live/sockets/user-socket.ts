import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { MiB } from "#protocol/limits.ts";
import { MessageQueue, type UserMessage } from "./message-queue.ts";
import { upgradeSocket } from "./upgrade-socket.ts";

export type { UserMessage } from "./message-queue.ts";

/** A user's WebSocket that was accepted. */
export interface UserSocket {
  /**
   * Sends one message: a text is a text frame, bytes are a binary one. Resolves when the next may be sent, so that who
   * waits for it holds no more than one; resolves too, and drops the message, when the client has gone.
   */
  send(message: string | Uint8Array): Promise<void>;
  /** What the client sends, in order; ends when it has gone. A client is held back while nobody reads. */
  readonly messages: AsyncIterable<UserMessage>;
  /**
   * Aborted when the client has gone: it closed, its connection broke, it was silent or took no output for too long,
   * or sent a message that is too long (it gets close code 1009). Not by {@link UserSocket.close}.
   */
  readonly gone: AbortSignal;
  /** Closes after what was sent. A client that does not answer is cut after a while. */
  close(code: number, reason?: string): void;
}

export type UserSocketOptions = {
  /** the sub-protocol that is chosen when the client offers it (default none) */
  protocol?: string;
  /** bytes of one message (default 1 MiB) */
  messageBytes?: number;
  /** ms between pings (default 20 s) */
  pingMs?: number;
  /** ms without any byte of the client after which it counts as gone (default 5 min) */
  silentMs?: number;
  /** ms for which a client may take nothing of what waits for it (default 5 min) */
  stalledMs?: number;
};

const DEFAULTS = {
  messageBytes: MiB,
  pingMs: 20_000,
  silentMs: 5 * 60_000,
  stalledMs: 5 * 60_000,
};
/** Bytes that may wait in the socket before `send` makes its caller wait. */
const SEND_BYTES = 64 * 1024;

/**
 * Accepts a WebSocket: the answer 101 is sent when this resolves. Nothing is compressed, and no sub-protocol is chosen
 * but the one asked for. A broken upgrade is answered with 400, or 426 for another version, and rejects.
 */
export function acceptUserSocket(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: UserSocketOptions = {},
): Promise<UserSocket> {
  const settings = { ...DEFAULTS, ...options };
  return upgradeSocket(
    incoming,
    socket,
    head,
    settings,
    (ws) => new AcceptedSocket(ws, socket as Socket, settings),
  );
}

class AcceptedSocket implements UserSocket {
  readonly messages: MessageQueue;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #times: typeof DEFAULTS;
  readonly #gone = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #closing = false;
  #unsent = 0;
  #readBytes = 0;
  #readAt = performance.now();
  #takenAt = performance.now();
  #pingedAt = performance.now();

  constructor(ws: WebSocket, socket: Socket, times: typeof DEFAULTS) {
    this.#ws = ws;
    this.#socket = socket;
    this.#times = times;
    this.messages = new MessageQueue({ pause: () => ws.pause(), resume: () => ws.resume() });
    ws.on("message", (data: Buffer, binary: boolean) => this.messages.push({ data, binary }));
    ws.on("error", () => {
      // a frame that breaks the protocol: the library closes with its code
    });
    // a paused reader does not see the close frame, but this
    socket.once("close", () => this.#ended());
    ws.once("close", () => this.#ended());
    const beat = Math.min(times.pingMs, times.silentMs / 4, times.stalledMs / 4);
    this.#timer = setInterval(() => this.#look(), beat);
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  send(message: string | Uint8Array): Promise<void> {
    if (this.#closing || this.#gone.signal.aborted) return Promise.resolve();
    if (this.#ws.readyState !== this.#ws.OPEN) {
      this.#ended();
      return Promise.resolve();
    }
    if (this.#unsent === 0) this.#takenAt = performance.now();
    this.#unsent += 1;
    return new Promise((resolve) => {
      this.#ws.send(message, { binary: typeof message !== "string" }, () => {
        this.#unsent -= 1;
        this.#takenAt = performance.now();
        resolve();
      });
      if (this.#ws.bufferedAmount < SEND_BYTES) resolve();
    });
  }

  close(code: number, reason = ""): void {
    if (this.#closing) return;
    this.#closing = true;
    this.messages.end();
    this.#ws.resume();
    this.#ws.close(code, reason);
  }

  #look(): void {
    const now = performance.now();
    if (this.#socket.bytesRead !== this.#readBytes || this.messages.paused) {
      this.#readBytes = this.#socket.bytesRead;
      this.#readAt = now;
    }
    const stalled = this.#unsent > 0 && now - this.#takenAt >= this.#times.stalledMs;
    if (stalled || now - this.#readAt >= this.#times.silentMs) {
      this.#ws.terminate();
      this.#ended();
      return;
    }
    if (now - this.#pingedAt >= this.#times.pingMs && this.#ws.readyState === this.#ws.OPEN) {
      this.#pingedAt = now;
      this.#ws.ping();
    }
  }

  #ended(): void {
    clearInterval(this.#timer);
    this.messages.end();
    if (!this.#closing) this.#gone.abort();
  }
}

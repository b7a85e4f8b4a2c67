import type { WebSocket } from "ws";
import { KiB } from "#protocol/limits.ts";
import type { TerminalSize } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { cleanStartError } from "../../pods/clean-start-error.ts";
import type { RawExec } from "../container-exec.ts";
import { notRunning, type OutputPiece, SessionFailure } from "../pod-sessions.ts";
import { statusOfExec } from "./exec-status.ts";

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** What waits for its taker; over it nothing more is read. */
const HELD = 64 * KiB;
/** Not larger than the API server's buffers. */
const PIECE = 32 * KiB;
/** of what the cluster says at the end */
const STATUS = 16 * KiB;

/** What is to be known of the container in which a program ran. */
export type ExecContainer = {
  /** as the API server has it, some time after the node */
  isRunning(): Promise<boolean>;
  /** Did the container die, and the program with it? @param gone aborted when the answer is not needed any more */
  hasDied(gone: AbortSignal): Promise<boolean>;
};

/** An execution on its WebSocket: the first byte of a message names its channel. */
export class SocketExec implements RawExec {
  readonly output: AsyncIterable<OutputPiece>;
  readonly #socket: WebSocket;
  readonly #container: ExecContainer;
  readonly #pieces: OutputPiece[] = [];
  #held = 0;
  #wake: (() => void) | undefined;
  #status = "";
  readonly #cut = new AbortController();
  #over = false;
  #alive = true;
  readonly #ping: NodeJS.Timeout;

  constructor(socket: WebSocket, container: ExecContainer) {
    this.#socket = socket;
    this.#container = container;
    this.output = this.#read();
    socket.on("message", (data: Buffer) => this.#take(data));
    socket.on("close", () => this.#end());
    socket.on("pong", () => {
      this.#alive = true;
    });
    // A socket that is paused hears no pong: it is its taker's silence then, not the server's.
    this.#ping = setInterval(() => {
      if (!this.#alive && !socket.isPaused) return socket.terminate();
      this.#alive = socket.isPaused;
      socket.ping();
    }, LIVE_LIMITS.pingMs);
    this.#ping.unref();
    socket.resume();
  }

  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && !this.#over; at += PIECE) {
      await this.#send(CHANNEL.stdin, data.subarray(at, at + PIECE));
    }
  }

  async endInput(): Promise<void> {
    if (this.#over) return;
    if (this.#socket.protocol === "v5.channel.k8s.io") {
      return this.#send(CHANNEL.close, Buffer.from([CHANNEL.stdin]));
    }
    throw noEndOfInput();
  }

  async resize({ rows, columns }: TerminalSize): Promise<void> {
    await this.#send(CHANNEL.resize, Buffer.from(JSON.stringify({ Width: columns, Height: rows })));
  }

  async exit(): Promise<number> {
    if (this.#status !== "") {
      const told = statusOfExec(this.#status);
      if ("failed" in told) {
        if (!(await this.#container.isRunning())) throw notRunning();
        throw new SessionFailure("CANNOT_START", cleanStartError(told.failed, []));
      }
      // A container that ends takes with it what runs there, some time before the cluster says so.
      if (told.exit === 137 && (await this.#container.hasDied(this.#cut.signal))) throw notRunning();
      return told.exit;
    }
    if (!(await this.#container.isRunning())) throw notRunning();
    throw new SessionFailure("ENGINE", "the cluster's stream broke off");
  }

  cut(): void {
    this.#cut.abort();
    this.#end();
    this.#socket.terminate();
  }

  async *#read(): AsyncGenerator<OutputPiece> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece) {
        this.#held -= piece.data.length;
        if (this.#held < HELD && this.#socket.isPaused && !this.#over) this.#socket.resume();
        yield piece;
        continue;
      }
      if (this.#over) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  #take(message: Buffer): void {
    this.#alive = true;
    const channel = message[0];
    const data = message.subarray(1);
    if (channel === CHANNEL.error) this.#status = (this.#status + data.toString()).slice(0, STATUS);
    else if ((channel === CHANNEL.stdout || channel === CHANNEL.stderr) && data.length > 0) {
      this.#pieces.push({ stream: channel === CHANNEL.stdout ? "stdout" : "stderr", data });
      this.#held += data.length;
      if (this.#held >= HELD) this.#socket.pause();
    }
    this.#wake?.();
  }

  #end(): void {
    this.#over = true;
    clearInterval(this.#ping);
    this.#wake?.();
  }

  #send(channel: number, data: Uint8Array): Promise<void> {
    const message = Buffer.allocUnsafe(data.length + 1);
    message[0] = channel;
    message.set(data, 1);
    // An error is that of a closed socket, of which its reader hears.
    return new Promise((resolve) => this.#socket.send(message, () => resolve()));
  }
}

function noEndOfInput(): SessionFailure {
  return new SessionFailure(
    "NO_END_OF_INPUT",
    "this cluster has no end of input without a terminal (v4.channel.k8s.io)",
  );
}

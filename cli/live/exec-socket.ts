import { once } from "node:events";
import type { WebSocket } from "ws";
import { CliFailure } from "../failure.ts";
import { networkFailure } from "../http/network-error.ts";

/** The sub-protocol of `/live` (docs/live.md): first byte 0 stdin, 1 stdout, 2 stderr, 3 control. */
const PROTOCOL = "perigee.exec.v1";
const STDIN = 0;
const CONTROL = 3;

export type ExecEnd =
  | { type: "exit"; code: number }
  | { type: "timeout" }
  | { type: "error"; code: string; message: string };
export type Message =
  | { type: "stdout" | "stderr"; data: Buffer }
  | { type: "started" }
  | { type: "end"; end: ExecEnd };

export type ControlMessage =
  | { type: "resize"; rows: number; columns: number }
  | { type: "signal"; signal: string }
  | { type: "eof" };

/** The user's end of a live execution. */
export class ExecSocket {
  readonly #ws: WebSocket;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
  }

  /** @throws CliFailure; the reason of `signal` */
  static async open(url: string, signal: AbortSignal): Promise<ExecSocket> {
    // only this verb needs it
    const { WebSocket } = await import("ws");
    const ws = new WebSocket(url, PROTOCOL, { perMessageDeflate: false });
    signal.addEventListener("abort", () => ws.terminate());
    // what comes with the answer waits for `messages`
    ws.once("open", () => ws.pause());
    ws.on("unexpected-response", (_, answer) => {
      ws.emit("error", new CliFailure("LIVE_UNAVAILABLE", `the ground answered ${answer.statusCode}`));
    });
    try {
      await once(ws, "open");
    } catch (error) {
      signal.throwIfAborted();
      // the address is good for one use and never shown
      throw networkFailure(error, new URL(url).host);
    }
    ws.on("error", () => {
      // told by the close that follows
    });
    return new ExecSocket(ws);
  }

  /** What comes, in order, as fast as it is read; the last is the end. @throws CliFailure CONNECTION_LOST */
  async *messages(): AsyncGenerator<Message> {
    const ws = this.#ws;
    const waiting: Buffer[] = [];
    let closed = ws.readyState === ws.CLOSED;
    let wake = () => {};
    ws.on("message", (data: Buffer) => {
      waiting.push(data);
      ws.pause();
      wake();
    });
    ws.on("close", () => {
      closed = true;
      wake();
    });
    for (;;) {
      const data = waiting.shift();
      if (data) {
        const message = messageOf(data);
        yield message;
        if (message.type === "end") return;
      } else if (closed) {
        throw new CliFailure("CONNECTION_LOST", "the connection was lost: what ran on the edge is ended");
      } else {
        if (ws.isPaused) ws.resume();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  /** Resolves when it was handed to the network. */
  async input(data: Uint8Array): Promise<void> {
    await this.#send(STDIN, data);
  }

  tell(control: ControlMessage): void {
    void this.#send(CONTROL, Buffer.from(JSON.stringify(control)));
  }

  /** What still comes is dropped. */
  close(): void {
    this.#ws.removeAllListeners("message");
    // paused it would not see that the other side closes, and hold the process for the time that `ws` waits for that
    this.#ws.resume();
    this.#ws.close(1000);
  }

  #send(kind: number, data: Uint8Array): Promise<void> {
    if (this.#ws.readyState !== this.#ws.OPEN) return Promise.resolve();
    return new Promise((resolve) => {
      this.#ws.send(Buffer.concat([Buffer.from([kind]), data]), () => resolve());
    });
  }
}

function messageOf(data: Buffer): Message {
  const payload = data.subarray(1);
  if (data[0] === 1) return { type: "stdout", data: payload };
  if (data[0] === 2) return { type: "stderr", data: payload };
  const told = JSON.parse(payload.toString()) as { type: string };
  if (told.type === "started") return { type: "started" };
  return { type: "end", end: told as ExecEnd };
}

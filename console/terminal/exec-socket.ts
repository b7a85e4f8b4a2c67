import { ask } from "../api/client.ts";

/** What is said over the socket of an execution (docs/live.md). */
const INPUT = 0;
const CONTROL = 3;
/** Bytes of one message to the ground: what is pasted may be longer. */
const MESSAGE = 32 * 1024;

export type Size = { rows: number; columns: number };
export type ExecHandlers = {
  started(): void;
  output(bytes: Uint8Array): void;
  /** once, with what a person is told */
  ended(words: string): void;
};

/** A terminal in a pod that runs. It ends with its connection, and is not taken up again. */
export class ExecSocket {
  readonly #socket: WebSocket;
  readonly #handlers: ExecHandlers;
  #over = false;

  private constructor(url: string, handlers: ExecHandlers) {
    this.#handlers = handlers;
    this.#socket = new WebSocket(url, "perigee.exec.v1");
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#take(new Uint8Array(data as ArrayBuffer));
    this.#socket.onclose = () => this.#end("The connection was lost: what ran in it is ended.");
  }

  /** @throws ApiError */
  static async open(pod: string, size: Size, handlers: ExecHandlers): Promise<ExecSocket> {
    const body = JSON.stringify({ command: SHELL, tty: true, env: { TERM: "xterm-256color" }, ...size });
    const headers = { "content-type": "application/json" };
    const path = `/pods/${encodeURIComponent(pod)}/exec`;
    const answer = await ask(path, { method: "POST", body, headers });
    const { url } = (await answer.json()) as { url: string };
    return new ExecSocket(throughThisPage(url), handlers);
  }

  input(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MESSAGE) this.#send(INPUT, bytes.subarray(at, at + MESSAGE));
  }

  resize({ rows, columns }: Size): void {
    this.#send(CONTROL, new TextEncoder().encode(JSON.stringify({ type: "resize", rows, columns })));
  }

  /** Ends what runs in it. */
  close(words = "You closed it."): void {
    this.#end(words);
    this.#socket.close();
  }

  #take(message: Uint8Array): void {
    const payload = message.subarray(1);
    if (message[0] !== CONTROL) {
      if (!this.#over) this.#handlers.output(payload);
      return;
    }
    const told = JSON.parse(new TextDecoder().decode(payload)) as Told;
    if (told.type === "started") this.#handlers.started();
    else this.#end(endWords(told));
  }

  #send(kind: number, payload: Uint8Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(payload.length + 1);
    message[0] = kind;
    message.set(payload, 1);
    this.#socket.send(message);
  }

  #end(words: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#handlers.ended(words);
  }
}

/** A better shell where there is one. */
const SHELL = ["/bin/sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"];

type Told =
  | { type: "started" }
  | { type: "exit"; code: number }
  | { type: "timeout" }
  | { type: "error"; code: string; message: string };

function endWords(told: Told): string {
  if (told.type === "exit") return told.code === 0 ? "It has ended." : `It has ended with code ${told.code}.`;
  if (told.type === "error") return `${told.message} (${told.code})`;
  return "Its time is over.";
}

/** A ground behind a proxy may not know that this page came over TLS: on its own host the way is this page's. */
function throughThisPage(url: string): string {
  const address = new URL(url);
  if (address.host === location.host) address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

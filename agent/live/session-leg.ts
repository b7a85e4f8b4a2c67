import type { LiveEnd, TerminalSize } from "#protocol/live.ts";
import { LiveChannel } from "#protocol/live-channel.ts";
import {
  type AgentControl,
  type GroundControl,
  groundControl,
  type OpenMessage,
  type UserSignal,
} from "#protocol/live-control.ts";
import type { LiveSocket } from "./live-socket.ts";

/** The agent's end of one session, as those who serve it see it. */
export interface SessionLeg {
  /** Told to the ground once: the process runs, or the file is open. */
  started(size?: number): void;
  /** Resolves when more may be sent; after the end, or when the ground has gone, it drops. */
  output(stream: "stdout" | "stderr", data: Uint8Array): Promise<void>;
  /** Sends the end and closes the socket; output that was not sent yet is dropped. Only the first call has an effect. */
  end(end: LiveEnd): void;
  /** Bytes of the user up to the end of input. @throws Error when the session ends before it */
  input(): AsyncIterable<Uint8Array>;
  onControl(listener: (control: { resize: TerminalSize } | { signal: UserSignal }) => void): void;
  /** Aborted when the ground or the user has gone without an end. */
  readonly gone: AbortSignal;
}

export type LegDeps = {
  /** an offer, once */
  offered(open: OpenMessage): void;
  /** the ground's word to start, once */
  go(): void;
  /** bytes that may be under way towards here */
  window(): number;
  /** bytes moved in either direction */
  moved(): void;
};

/** One socket with its one session. */
export class AgentLeg implements SessionLeg {
  readonly #socket: LiveSocket;
  readonly #deps: LegDeps;
  readonly #channel: LiveChannel;
  readonly #gone = new AbortController();
  #opened = false;
  #went = false;
  #eof = false;
  #ended = false;
  #listener: Parameters<SessionLeg["onControl"]>[0] = () => {};

  constructor(socket: LiveSocket, deps: LegDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#channel = new LiveChannel({
      send: (frame) => socket.send(frame),
      control: (message) => this.#control(groundControl.parse(message)),
      window: deps.window,
      accepts: ["stdin"],
      broken: () => socket.close(),
    });
    socket.onFrame((frame) => {
      this.#channel.receive(frame);
      deps.moved();
    });
    socket.onClose(() => {
      this.#channel.close();
      if (!this.#ended) this.#gone.abort(new Error("the session's socket has ended"));
    });
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  ready(): void {
    this.#tell({ type: "ready" });
  }

  started(size?: number): void {
    this.#tell({ type: "started", ...(size !== undefined && { size }) });
  }

  async output(stream: "stdout" | "stderr", data: Uint8Array): Promise<void> {
    if (this.#ended) return;
    await this.#channel.sendData(stream, data);
    this.#deps.moved();
  }

  end(end: LiveEnd): void {
    if (this.#ended || this.#gone.signal.aborted) return;
    this.#tell({ type: "end", end });
    this.#ended = true;
    this.#channel.close();
    this.#socket.close();
  }

  async *input(): AsyncGenerator<Uint8Array> {
    for await (const { data } of this.#channel.pieces()) yield data;
    if (!this.#eof || this.#ended || this.#gone.signal.aborted) throw new Error("the input was cut off");
  }

  onControl(listener: Parameters<SessionLeg["onControl"]>[0]): void {
    this.#listener = listener;
  }

  #tell(control: AgentControl): void {
    if (!this.#ended) this.#channel.sendControl(control);
  }

  /** @throws Error for what does not belong here */
  #control(control: GroundControl): void {
    const early = control.type !== "open" && !this.#opened;
    const again = (control.type === "open" && this.#opened) || (control.type === "go" && this.#went);
    if (early || again) throw new Error(`${control.type} does not belong here`);
    switch (control.type) {
      case "open":
        this.#opened = true;
        this.#deps.offered(control);
        break;
      case "go":
        this.#went = true;
        this.#deps.go();
        break;
      case "resize":
        this.#listener({ resize: control.size });
        break;
      case "signal":
        this.#listener({ signal: control.signal });
        break;
      case "eof":
        this.#eof = true;
        this.#channel.endReceiving();
    }
  }
}

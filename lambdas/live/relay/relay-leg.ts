import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { type LegTimes, watchLeg } from "#protocol/leg-watch.ts";
import type { LiveEnd } from "#protocol/live.ts";
import { LiveChannel } from "#protocol/live-channel.ts";
import {
  type AgentControl,
  agentControl,
  type GroundControl,
  type OpenMessage,
} from "#protocol/live-control.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { OneWrite } from "#protocol/one-write.ts";

/** What a session hears of the socket that it was offered on. */
export type LegListener = {
  ready(): void;
  started(size: number | undefined): void;
  end(end: LiveEnd): void;
  /** the socket is over, without an end before it */
  lost(): void;
  /** bytes moved in either direction */
  moved(): void;
  /** bytes that may be under way towards here */
  window(): number;
};

/** One socket of an agent: it waits, and then carries the one session that it is given. */
export class RelayLeg {
  readonly epoch: number;
  readonly channel: LiveChannel;
  /** Aborted when the socket is over. */
  readonly closed: AbortSignal;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  #listener: LegListener | undefined;
  #stage: "waiting" | "offered" | "ready" | "started" | "ended" = "waiting";
  #rttMs = 0;

  constructor(ws: WebSocket, socket: Socket, of: { epoch: number; times?: LegTimes }) {
    this.#ws = ws;
    this.#socket = socket;
    this.epoch = of.epoch;
    const write = new OneWrite(socket);
    this.channel = new LiveChannel({
      send: (frame) => {
        if (ws.readyState !== ws.OPEN) return;
        write.begin();
        ws.send(frame);
      },
      control: (message) => this.#control(agentControl.parse(message)),
      window: () => this.#listener?.window() ?? 0,
      accepts: ["stdout", "stderr"],
      controlBytes: LIVE_LIMITS.agentControlBytes,
      broken: () => {
        ws.close(1002);
        this.#over({ type: "error", code: "PROTOCOL", message: "the agent sent what cannot be read" });
      },
    });
    const closed = new AbortController();
    this.closed = closed.signal;
    ws.on("message", (data: Buffer, binary) => {
      this.#listener?.moved();
      this.channel.receive(binary ? data : new Uint8Array());
    });
    ws.on("error", () => {
      // told by the close that follows
    });
    let pingedAt = 0;
    const ping = () => {
      pingedAt = performance.now();
      ws.ping();
    };
    ws.on("pong", () => {
      this.#rttMs = performance.now() - pingedAt;
    });
    const unwatch = watchLeg({ bytesRead: () => socket.bytesRead, ping, dead: () => this.cut() }, of.times);
    ws.once("close", () => {
      unwatch();
      this.#gone();
      closed.abort();
    });
    // a first round trip is measured before there is a session
    ping();
  }

  /** ms for the agent to say `ready`. */
  get readyMs(): number {
    return Math.min(Math.max(LIVE_LIMITS.readyMs, 3 * this.#rttMs), LIVE_LIMITS.readyMostMs);
  }

  /** Offers a session; once. */
  offer(open: OpenMessage, listener: LegListener): void {
    this.#listener = listener;
    this.#stage = "offered";
    this.channel.sendControl(open);
  }

  /** Resolves when the next may be told: these have no credit, and a user may send them faster than the edge's link. */
  async tell(control: Exclude<GroundControl, OpenMessage>): Promise<void> {
    this.channel.sendControl(control);
    const socket = this.#socket;
    if (!socket.writableNeedDrain || socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off("drain", done).off("close", done);
        resolve();
      };
      socket.on("drain", done).on("close", done);
    });
  }

  /** Closes after what was sent: the agent ends what its session runs. */
  close(code = 1000): void {
    this.#listener = undefined;
    this.channel.close();
    this.#ws.close(code);
  }

  /** Breaks the connection. */
  cut(): void {
    this.#ws.terminate();
    this.#gone();
  }

  /** @throws Error for what does not belong here */
  #control(control: AgentControl): void {
    const expected = { ready: ["offered"], started: ["ready"], end: ["offered", "ready", "started"] };
    if (!expected[control.type].includes(this.#stage))
      throw new Error(`${control.type} does not belong here`);
    if (control.type === "end") {
      this.#over(control.end);
      return;
    }
    this.#stage = control.type;
    if (control.type === "ready") this.#listener?.ready();
    else this.#listener?.started(control.size);
  }

  #over(end: LiveEnd): void {
    if (this.#stage === "ended") return;
    this.#stage = "ended";
    this.#endData();
    this.#listener?.end(end);
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.close(1000);
  }

  #gone(): void {
    if (this.#stage === "ended") return;
    this.#stage = "ended";
    this.#endData();
    this.#listener?.lost();
  }

  #endData(): void {
    this.channel.endReceiving();
    this.channel.endSending();
  }
}

import https from "node:https";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { type LegTimes, watchLeg } from "#protocol/leg-watch.ts";
import { LIVE_EPOCH } from "#protocol/live-control.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { OneWrite } from "#protocol/one-write.ts";
import { hasProxy } from "../outward-agents.ts";

/** An open outward WebSocket to the relay, as the rest of the live client sees it. */
export interface LiveSocket {
  /** Puts a frame on it, in order; never waits. */
  send(frame: Uint8Array): void;
  /** Of one listener: it is given those that have come already, too. */
  onFrame(listener: (frame: Uint8Array) => void): void;
  /** Called once when the socket is closed, by either side; at once when it is closed already. */
  onClose(listener: () => void): void;
  /** Closes after what was sent; cut when the other side does not answer. */
  close(): void;
}

export type LiveAddress = { url: string; token: string; epoch: number };

/** ms until the relay has answered the upgrade */
const HANDSHAKE_MS = 30_000;

/**
 * Opens a WebSocket to `<url>/agent/live` of a relay. Nothing of the edge listens.
 * @throws Error when it cannot be opened: no answer in time, or a refusal
 */
export async function openLiveSocket(
  { url, token, epoch }: LiveAddress,
  { signal, times }: { signal: AbortSignal; times?: LegTimes },
): Promise<LiveSocket> {
  // an agent without live sessions never loads it
  const { WebSocket } = await import("ws");
  signal.throwIfAborted();
  const address = liveUrl(url);
  const ws = new WebSocket(address, {
    headers: { authorization: `Bearer ${token}`, [LIVE_EPOCH]: String(epoch) },
    perMessageDeflate: false,
    followRedirects: false,
    handshakeTimeout: HANDSHAKE_MS,
    // a tunnel through the proxy, where the environment names one
    ...(address.protocol === "wss:" &&
      hasProxy("https") && { agent: new https.Agent({ proxyEnv: { ...process.env } }) }),
    maxPayload: LIVE_LIMITS.frameBytes + 1,
    ...(nobodyBetween(address) && { generateMask: unmasked }),
  });
  const cut = () => ws.terminate();
  signal.addEventListener("abort", cut);
  try {
    return await new Promise<LiveSocket>((resolve, reject) => {
      let socket: Socket | undefined;
      ws.once("upgrade", (answer) => {
        socket = answer.socket as Socket;
      });
      ws.once("error", reject);
      ws.once("close", () => reject(new Error("the relay has closed the socket")));
      // made before anything is read of it: an offer may have come with the answer
      ws.once("open", () => resolve(new OpenSocket(ws, socket!, times)));
    });
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

/** Address of the sockets at a relay, of its base address (`https:` and `wss:` mean the same). */
export function liveUrl(base: string): URL {
  const url = new URL("agent/live", base.endsWith("/") ? base : `${base}/`);
  url.protocol = url.protocol.replace(/^http/, "ws");
  return url;
}

/**
 * Masks keep what is sent from being taken for requests by a proxy that knows no WebSockets
 * (docs/decisions/260-frames-without-a-mask.md). Here is none that could read it.
 */
function nobodyBetween({ protocol, hostname }: URL): boolean {
  return protocol === "wss:" || hostname === "127.0.0.1" || hostname === "[::1]";
}

/** A key of zeros: neither side goes over the bytes. */
function unmasked(key: Buffer): void {
  key.fill(0);
}

class OpenSocket implements LiveSocket {
  readonly #ws: WebSocket;
  readonly #write: OneWrite;
  /** frames that arrived before a listener was set: those in one packet with the upgrade's answer are read before `open` resolves */
  readonly #early: Uint8Array[] = [];
  #listener: (frame: Uint8Array) => void = (frame) => void this.#early.push(frame);
  #over = false;

  constructor(ws: WebSocket, socket: Socket, times?: LegTimes) {
    this.#ws = ws;
    this.#write = new OneWrite(socket);
    ws.on("error", () => {
      // told by the close that follows
    });
    ws.on("message", (data: Buffer, binary) => this.#listener(binary ? data : new Uint8Array()));
    const unwatch = watchLeg(
      { bytesRead: () => socket.bytesRead, ping: () => ws.ping(), dead: () => ws.terminate() },
      times,
    );
    ws.once("close", () => {
      this.#over = true;
      unwatch();
    });
  }

  send(frame: Uint8Array): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    this.#write.begin();
    this.#ws.send(frame);
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    this.#listener = listener;
    for (const frame of this.#early.splice(0)) listener(frame);
  }

  onClose(listener: () => void): void {
    if (this.#over) listener();
    else this.#ws.once("close", listener);
  }

  close(): void {
    this.#ws.close(1000);
  }
}

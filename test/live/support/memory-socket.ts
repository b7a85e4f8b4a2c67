import { EventEmitter } from "node:events";
import type { LiveSocket } from "#agent/live/live-socket.ts";

/** Two ends of a socket in memory: what one sends reaches the other in a later turn, in order. */
export function memorySockets() {
  const near = new MemoryWebSocket();
  const far = new MemoryWebSocket();
  near.peer = far;
  far.peer = near;
  return { near, far, agent: asLiveSocket(far) };
}

/** As much of `ws` as the relay uses. */
export class MemoryWebSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  peer: MemoryWebSocket | undefined;
  /** every frame that was sent from here */
  readonly sent: Uint8Array[] = [];
  /** of the underlying connection */
  bytesRead = 0;

  send(frame: Uint8Array): void {
    if (this.readyState !== this.OPEN) return;
    const copy = Uint8Array.from(frame);
    this.sent.push(copy);
    setImmediate(() => {
      if (this.peer?.readyState === 1) {
        this.peer.bytesRead += copy.length;
        this.peer.emit("message", Buffer.from(copy), true);
      }
    });
  }

  ping(): void {}

  cork(): void {}

  uncork(): void {}

  close(): void {
    if (this.readyState !== this.OPEN) return;
    this.readyState = 2;
    setImmediate(() => {
      this.#over();
      this.peer?.terminate();
    });
  }

  terminate(): void {
    if (this.readyState === 3) return;
    this.readyState = 2;
    setImmediate(() => {
      this.#over();
      this.peer?.terminate();
    });
  }

  #over(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.emit("close");
  }
}

function asLiveSocket(ws: MemoryWebSocket): LiveSocket {
  return {
    send: (frame) => ws.send(frame),
    onFrame: (listener) => void ws.on("message", (data: Buffer) => listener(data)),
    onClose(listener) {
      if (ws.readyState === 3) listener();
      else ws.once("close", listener);
    },
    close: () => ws.close(),
  };
}

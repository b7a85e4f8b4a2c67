import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { endSocket } from "./end-socket.ts";

export type UpgradeSocketOptions = {
  /** the sub-protocol that is chosen when the client offers it (default none) */
  protocol?: string;
  /** bytes of one message; a longer one ends the socket with 1009 */
  messageBytes: number;
};

/** Bytes that may wait for a client that pings; over it pings get no answer. */
const PONG_BYTES = 64 * 1024;

/**
 * Makes a WebSocket of an upgrade; nothing is compressed. A broken upgrade is answered with 400, or 426 for another
 * version, and rejects; so does a client that has gone, before or in the middle.
 * @param make called before anything is read of it: a first message may have come with the request
 */
export async function upgradeSocket<T>(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { protocol, messageBytes }: UpgradeSocketOptions,
  make: (ws: WebSocket) => T,
): Promise<T> {
  // only a server gets here: a Lambda never loads the library
  const { WebSocketServer } = await import("ws");
  // what was closed meanwhile closes no second time: nobody would be called again
  if (socket.destroyed) throw new Error("the client has gone");
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // it would answer, and keep the answers of, a client that takes none
    autoPong: false,
    maxPayload: messageBytes,
    handleProtocols: (offered) => (protocol !== undefined && offered.has(protocol) ? protocol : false),
  });
  return new Promise((resolve, reject) => {
    server.once("wsClientError", (error, refused) => {
      endSocket(refused, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      reject(error);
    });
    socket.once("close", () => reject(new Error("the client has gone")));
    server.handleUpgrade(incoming, socket, head, (ws) => {
      ws.on("ping", (data: Buffer) => {
        if (ws.readyState === ws.OPEN && ws.bufferedAmount < PONG_BYTES) ws.pong(data, false, () => {});
      });
      resolve(make(ws));
    });
  });
}

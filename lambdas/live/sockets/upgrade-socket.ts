import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

export type UpgradeSocketOptions = {
  /** the sub-protocol that is chosen when the client offers it (default none) */
  protocol?: string;
  /** bytes of one message; a longer one ends the socket with 1009 */
  messageBytes: number;
};

/**
 * Makes a WebSocket of an upgrade; nothing is compressed. A broken upgrade is answered with 400, or 426 for another
 * version, and rejects.
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
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: messageBytes,
    handleProtocols: (offered) => (protocol !== undefined && offered.has(protocol) ? protocol : false),
  });
  return new Promise((resolve, reject) => {
    server.once("wsClientError", (error, refused) => {
      refused.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      reject(error);
    });
    socket.once("close", () => reject(new Error("the client has gone")));
    server.handleUpgrade(incoming, socket, head, (ws) => resolve(make(ws)));
  });
}

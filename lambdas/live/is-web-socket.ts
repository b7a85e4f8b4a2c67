import type { IncomingMessage } from "node:http";

/** Does the request ask for a WebSocket at this path? */
export function isWebSocket({ headers, url = "" }: IncomingMessage, path: string): boolean {
  const asked = url.split("?", 1)[0];
  return headers.upgrade?.toLowerCase() === "websocket" && asked === path;
}

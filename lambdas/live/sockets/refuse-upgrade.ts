import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { endSocket } from "./end-socket.ts";

/** Answers an upgrade with a plain HTTP response, and ends the connection. */
export async function refuseUpgrade(socket: Duplex, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  headers.set("content-length", String(body.length));
  headers.set("connection", "close");
  const { status } = response;
  const lines = [`HTTP/1.1 ${status} ${response.statusText || STATUS_CODES[status] || ""}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  endSocket(socket, Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body]));
}

/**
 * A browser says which page it acts for: it must be one of this host.
 * @param known origin of a page that is known not to be foreign
 */
export function isForeignOrigin({ headers }: IncomingMessage, known?: string): boolean {
  const { origin, host } = headers;
  if (origin === undefined || origin === known) return false;
  const page = URL.parse(origin);
  // the scheme's own port may be named or not
  return page === null || page.host !== URL.parse(`${page.protocol}//${host}`)?.host;
}

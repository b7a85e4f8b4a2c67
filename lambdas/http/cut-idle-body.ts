import type { IncomingMessage } from "node:http";

/** Does the request have a body, by its headers? */
export function hasBody({ headers }: IncomingMessage): boolean {
  return (headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined;
}

/**
 * Cuts a request's body on which nothing moves for `ms`. Only while it comes in: an answer may be long in coming. A
 * later call changes the time.
 */
export function cutIdleBody(incoming: IncomingMessage, ms: number): void {
  if (!hasBody(incoming) || incoming.readableEnded || incoming.destroyed) return;
  incoming.setTimeout(ms);
  if (watched.has(incoming)) return;
  watched.add(incoming);
  incoming.setTimeout(ms, () => incoming.destroy());
  incoming.once("end", () => incoming.setTimeout(0));
}

const watched = new WeakSet<IncomingMessage>();

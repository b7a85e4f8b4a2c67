import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { Context } from "hono";

/**
 * What @hono/node-server puts into `c.env`; elsewhere (Lambda, tests) both are absent. `body` is that of a GET there, which
 * a web request cannot have.
 */
export type NodeBindings = { incoming?: IncomingMessage; outgoing?: ServerResponse; body?: Uint8Array };

/** Node's own request when we run on Node's server. */
export function incomingOf(c: Context): IncomingMessage | undefined {
  return (c.env as NodeBindings | undefined)?.incoming;
}

/** Bodies that were read and are to be read again. */
const kept = new WeakMap<Request, Buffer>();

/** The body was read whole: {@link bodyStream} gives these bytes from now on. */
export function keepBody(c: Context, bytes: Buffer): void {
  kept.set(c.req.raw, bytes);
}

/** The request's body as a Node stream, without a web stream in between where there is a Node server. */
export function bodyStream(c: Context): Readable | undefined {
  const whole = kept.get(c.req.raw);
  if (whole) return Readable.from([whole]);
  const incoming = incomingOf(c);
  if (incoming) return incoming;
  const beside = (c.env as NodeBindings | undefined)?.body;
  if (beside) return Readable.from([Buffer.from(beside)]);
  const body = c.req.raw.body;
  return body ? Readable.fromWeb(body as ReadableStream) : undefined;
}

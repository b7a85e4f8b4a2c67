import type { IncomingMessage } from "node:http";
import { LIMITS } from "#protocol/limits.ts";
import { refuseContinue } from "./expect-continue.ts";

export type DrainBounds = {
  /** most bytes to throw away (default: a whole uplink) */
  bytes?: number;
  /** ms in all (default 30,000) */
  ms?: number;
  /** ms without a byte (default 5,000) */
  idleMs?: number;
};

/**
 * The answer to a request whose body was not read to its end. Closing at once would reset the connection
 * and eat the answer of a client that is still sending; so the answer goes out whole, with its length, and
 * the connection is held open until the client has finished, gone away or met a bound, and is then closed.
 * Give it the response last: nothing reads the body after it.
 */
export async function answerThenDrain(
  response: Response,
  incoming: IncomingMessage | undefined,
  bounds: DrainBounds = {},
): Promise<Response> {
  if (!incoming) return response;
  refuseContinue(incoming);
  incoming.removeAllListeners("data");
  if (incoming.complete || incoming.destroyed) {
    incoming.resume();
    return response;
  }
  const text = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  headers.set("content-length", String(text.length));
  headers.set("connection", "close");
  let drained: Promise<void> | undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!drained) {
          controller.enqueue(text);
          drained = new Promise((resolve) => setImmediate(resolve)).then(() => drain(incoming, bounds));
          return;
        }
        await drained;
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: response.status, headers });
}

/** Throws the rest of a body away; returns at its end, when the client goes, or at a bound. */
function drain(incoming: IncomingMessage, bounds: DrainBounds): Promise<void> {
  const { bytes = LIMITS.uplinkBodyBytes, ms = 30_000, idleMs = 5_000 } = bounds;
  if (incoming.complete || incoming.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let seen = 0;
    const stop = () => {
      clearTimeout(total);
      clearTimeout(idle);
      incoming.off("data", onData).off("end", stop).off("error", stop).off("close", stop);
      incoming.pause();
      resolve();
    };
    const onData = (chunk: Buffer) => {
      seen += chunk.length;
      if (seen > bytes) stop();
      else idle.refresh();
    };
    const total = setTimeout(stop, ms);
    const idle = setTimeout(stop, idleMs);
    incoming.on("data", onData).on("end", stop).on("error", stop).on("close", stop);
    incoming.resume();
  });
}

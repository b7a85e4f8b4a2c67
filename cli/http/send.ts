import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** A body that is written piece by piece; its length is known beforehand. */
export type StreamedBody = {
  /** bytes */
  length: number;
  /** Writes everything, in order, until `write` resolves to false: the server has answered already. */
  writeTo(write: (chunk: Buffer) => Promise<boolean>): Promise<void>;
};

export type Call = {
  method: "GET" | "POST" | "DELETE";
  /** absolute, with its query */
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | StreamedBody;
  signal?: AbortSignal;
  /** nothing received for this long (ms) ends the call; none: never */
  idleMs?: number;
};

export type Answer = { status: number; headers: IncomingHttpHeaders; body: IncomingMessage };

/**
 * Sends one request and returns the head of its answer. A streamed body goes out after `100 Continue`, so
 * that an early refusal costs nothing; one that comes in the middle stops the sending and is returned too.
 * @throws the network's errors (ECONNREFUSED, ECONNRESET …), or the body's own
 */
export async function send(base: URL, call: Call): Promise<Answer> {
  // Not before there is something to send: nothing else needs Node's HTTP, which takes time to load
  const { request } = await import("./request.ts");
  return request(base, call);
}

/** Reads a whole text body of at most `max` bytes. */
export async function readText(body: IncomingMessage, max: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > max) {
      body.destroy();
      throw new Error(`the answer is over ${max} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

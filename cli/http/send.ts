import type { IncomingMessage } from "node:http";
import type { Answer, Call } from "./call.ts";

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

import type { IncomingMessage } from "node:http";
import type { Answer, Call } from "./call.ts";

/**
 * Sends one request and returns the head of its answer. A streamed body is sent after `100 Continue`, so that an early
 * refusal costs no upload; an answer that arrives during the upload stops it and is returned.
 * @throws the network's errors (ECONNREFUSED, ECONNRESET …), or the body's own
 */
export async function send(base: URL, call: Call): Promise<Answer> {
  // Imported at the first request: loading Node's HTTP takes time, and verbs that send nothing do not need it
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

import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";

export type AnswerHead = { statusCode: number; headers: Record<string, string>; cookies: string[] };
/** The whole answer, as a function URL in buffered mode takes it. */
export type BufferedAnswer = AnswerHead & { body: string; isBase64Encoded: boolean };

const TEXT = /^(?:text\/|application\/json\b)/i;

/** The answer in one piece: for function URLs that do not stream, and emulators. Held in memory whole. */
export async function bufferedAnswer(response: Response): Promise<BufferedAnswer> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const { headers } = response;
  // what is compressed is no text any more
  const isBase64Encoded = headers.has("content-encoding") || !TEXT.test(headers.get("content-type") ?? "");
  return { ...headOf(response), body: bytes.toString(isBase64Encoded ? "base64" : "utf8"), isBase64Encoded };
}

/**
 * Writes the answer's body to Lambda's stream as it comes. A body that fails breaks the stream off, so that
 * the client sees an answer that was cut and never one that looks whole.
 * @throws what the body failed with
 */
export async function streamAnswer(response: Response, stream: Writable): Promise<void> {
  if (!response.body) {
    // without a write Lambda never sends the head
    stream.write("");
    stream.end();
    return;
  }
  await pipeline(Readable.fromWeb(response.body as ReadableStream), stream);
}

export function headOf(response: Response): AnswerHead {
  const headers: Record<string, string> = {};
  for (const [name, value] of response.headers) if (name !== "set-cookie") headers[name] = value;
  return { statusCode: response.status, headers, cookies: response.headers.getSetCookie() };
}

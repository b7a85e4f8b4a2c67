import { Readable } from "node:stream";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";

/** Bytes that are sent at once. */
const PIECE_BYTES = 64 * 1024;

/** 200 with a text that is sent as it is made; what fails in it is logged, and the answer is cut. */
export function streamed(
  c: DialectContext,
  core: Pick<DialectCore, "log">,
  text: AsyncIterable<Buffer> | Iterable<Buffer>,
  headers: Record<string, string>,
): Response {
  const all = { ...headers, ...SAFE_HEADERS };
  if (c.req.method === "HEAD") return new Response(null, { headers: all });
  const body = Readable.from(inPieces(text), { objectMode: false });
  body.once("error", (error) => core.log.error({ err: error, path: c.req.path }, "an answer was cut"));
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, { headers: all });
}

/** Small pieces together: there may be millions. */
async function* inPieces(text: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const piece of text) {
    held.push(piece);
    bytes += piece.length;
    if (bytes < PIECE_BYTES) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
}

import { Readable } from "node:stream";
import type { ResultOf } from "#protocol/operations.ts";
import { openStaged, streamStaged } from "../../content/staged-content.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { Command } from "../../ledger/command.ts";
import type { EmContext, EmDeps } from "./deps.ts";

const HEAD = Buffer.from('{"message":"Successfully listed files","data":');

/**
 * The answer of files/list: the edge's JSON text is put into place as it is, never parsed, so that 64-bit
 * hashes arrive exact and a long listing takes no memory. A listing that stopped at a bound says
 * `"truncated":true`.
 */
export async function listingAnswer(
  c: EmContext,
  deps: EmDeps,
  result: ResultOf<"volume.list">,
  command: Command,
  once: boolean,
): Promise<Response> {
  const tail = Buffer.from(result.truncated ? ',"truncated":true}' : "}");
  const headers = { "content-type": "application/json", ...SAFE_HEADERS };
  if (!result.content) {
    const body = Buffer.concat([HEAD, Buffer.from(result.listing ?? "[]"), tail]);
    return new Response(body, { headers });
  }
  const { body, size } = await openStaged(deps, command, result.content);
  const spliced = Readable.from(splice(body, tail), { objectMode: false, highWaterMark: 256 * 1024 });
  return streamStaged(c, deps, command, spliced, {
    once,
    headers: { ...headers, "content-length": String(HEAD.length + size + tail.length) },
  });
}

async function* splice(body: Readable, tail: Buffer): AsyncGenerator<Buffer> {
  yield HEAD;
  yield* body as AsyncIterable<Buffer>;
  yield tail;
}

import { attachment } from "../../http/content-disposition.ts";
import { iteratorStream } from "../../http/iterator-stream.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { LiveSession } from "../../live/live-sessions.ts";
import type { DialectContext } from "../dialect.ts";
import { readWhole } from "./body.ts";
import { fileFailure } from "./file-failure.ts";
import { fileSession } from "./file-session.ts";
import type { PoseidonCore } from "./parts.ts";
import { lenientFlag, pathIn } from "./query.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { callerIn, runnerOf } from "./runner-of.ts";

/** GET /runners/{id}/files/raw */
export async function getRaw(c: DialectContext, core: PoseidonCore): Promise<Response> {
  await readWhole(c);
  const runner = await runnerOf(core, callerIn(c), c.req.param("runner") ?? "");
  const path = pathIn(c, "");
  const as = lenientFlag(c, "privilegedExecution", false) ? "root" : "user";
  const session = await fileSession(c, core, runner, { kind: "read", read: { path, as } });
  // a session that could not begin only ends
  const begun = await Promise.race([session.started, session.ended.then(() => undefined)]);
  const size = begun?.size;
  if (size === undefined) {
    throw fileFailure(await session.ended) ?? refusal(500, TEXTS.unknown);
  }
  const headers = {
    "content-type": "application/octet-stream",
    "content-length": String(size),
    "content-disposition": attachment(path.replace(/[\0-\x1f\x7f]/g, "_")),
    ...SAFE_HEADERS,
  };
  if (c.req.method === "HEAD") {
    session.close();
    return new Response(null, { headers });
  }
  return new Response(streamOf(session, size), { headers });
}

/** What the file has grown since it was opened is left out. @throws Error when it has shrunk: the connection is cut */
async function* exactly(session: LiveSession, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  try {
    if (left === 0) return;
    for await (const { stream, data } of session.output) {
      if (stream !== "stdout") continue;
      const part = data.subarray(0, left);
      left -= part.length;
      yield part;
      if (left === 0) return;
    }
    throw fileFailure(await session.ended) ?? new Error(`${left} bytes of the file are missing`);
  } finally {
    session.close();
  }
}

/** Read as fast as it is sent, and nothing ahead of that. */
function streamOf(session: LiveSession, size: number): ReadableStream<Uint8Array> {
  return iteratorStream(exactly(session, size), () => session.close());
}

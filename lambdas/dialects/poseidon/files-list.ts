import { Readable } from "node:stream";
import { KiB } from "#protocol/limits.ts";
import { type FileEntry, fileEntry } from "#protocol/live.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { LiveSession } from "../../live/live-sessions.ts";
import type { DialectContext } from "../dialect.ts";
import { readWhole } from "./body.ts";
import { fileFailure } from "./file-failure.ts";
import { fileSession } from "./file-session.ts";
import { linesOf } from "./lines-of.ts";
import type { PoseidonCore } from "./parts.ts";
import { lenientFlag, pathIn } from "./query.ts";
import { callerIn, runnerOf } from "./runner-of.ts";

/** of one entry as JSON: a path of 4 KiB, escaped, twice */
const ENTRY_BYTES = 64 * KiB;
/** characters that are sent together */
const CHUNK = 16 * KiB;

/** GET /runners/{id}/files: streamed as the edge lists them. */
export async function getFiles(c: DialectContext, core: PoseidonCore): Promise<Response> {
  await readWhole(c);
  const runner = await runnerOf(core, callerIn(c), c.req.param("runner") ?? "");
  const session = await fileSession(c, core, runner, {
    kind: "list",
    list: {
      path: pathIn(c, "./"),
      recursive: lenientFlag(c, "recursive", true),
      as: lenientFlag(c, "privilegedExecution", false) ? "root" : "user",
    },
  });
  const entries = entriesOf(session);
  // what fails before the first entry still has a status
  const first = await entries.next();
  if (first.done) {
    const failure = fileFailure(await session.ended);
    if (failure) throw failure;
  }
  const headers = { "content-type": "application/json", ...SAFE_HEADERS };
  if (c.req.method === "HEAD") {
    session.close();
    return new Response(null, { headers });
  }
  const texts = Readable.from(listText(first, entries), { objectMode: false });
  return new Response(Readable.toWeb(texts) as ReadableStream<Uint8Array>, { headers });
}

/** @throws Error when the session failed after some, so that what was sent cannot be taken for the whole list */
async function* entriesOf(session: LiveSession): AsyncGenerator<FileEntry> {
  let any = false;
  try {
    for await (const line of linesOf(stdoutOf(session), ENTRY_BYTES)) {
      any = true;
      yield fileEntry.parse(JSON.parse(line));
    }
    const failure = any ? fileFailure(await session.ended) : undefined;
    if (failure) throw failure;
  } finally {
    session.close();
  }
}

async function* stdoutOf({ output }: LiveSession): AsyncGenerator<Uint8Array> {
  for await (const { stream, data } of output) if (stream === "stdout") yield data;
}

async function* listText(
  first: IteratorResult<FileEntry>,
  rest: AsyncGenerator<FileEntry>,
): AsyncGenerator<string> {
  let text = '{"files": [';
  if (!first.done) {
    text += textOf(first.value);
    for await (const entry of rest) {
      text += `,${textOf(entry)}`;
      if (text.length < CHUNK) continue;
      yield text;
      text = "";
    }
  }
  yield `${text}]}`;
}

function textOf({
  name,
  entryType,
  linkTarget,
  size,
  modificationTime,
  permissions,
  owner,
  group,
}: FileEntry) {
  return JSON.stringify({
    name,
    entryType,
    ...(linkTarget && { linkTarget }),
    size,
    modificationTime,
    permissions,
    owner,
    group,
  });
}

import { Readable } from "node:stream";
import type { Context } from "hono";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import type { StagedContent } from "#protocol/operations.ts";
import { downlinkPrefix } from "../dispatch/staging-keys.ts";
import type { NodeBindings } from "../http/body-stream.ts";
import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";
import { openChunks } from "../transfers/chunk-objects.ts";
import { contentKey, joinedKey } from "../transfers/sent-object.ts";
import { isStaged } from "../transfers/stored-bytes.ts";

/** What streaming out of staging stands on. */
export type ContentDeps = {
  staging: Staging;
  log: Logger;
  /**
   * Most bytes of content that pass through this ground (default: any number). What is larger is fetched from
   * staging: 302 to a signed URL.
   */
  passBytes?: number;
};
export type ContentContext = Pick<Context<{ Bindings: NodeBindings }>, "env" | "req">;

/** A signed URL that an answer leads to lives this long: a slow download begins, it need not end, in it. */
const REDIRECT_SECONDS = 15 * 60;

/**
 * Opens what the agent staged for `command`, in however many objects it lies.
 * @throws FILE_NOT_FOUND when it is gone
 */
export async function openStaged(
  { staging }: Pick<ContentDeps, "staging">,
  command: Command,
  content: StagedContent,
  range?: { start: number; end: number },
): Promise<{ body: Readable; size: number }> {
  const key = contentKey(command, content);
  const { size, chunkBytes } = content;
  return chunkBytes === undefined
    ? staging.get(key, range)
    : openChunks(staging, { key, size, chunkBytes }, range);
}

/**
 * The answer that leads to `content` in staging, with the headers that the bytes would have had here. Whoever
 * follows it leaves `Authorization` behind, as clients do at another address: the URL is signed itself.
 * @throws FILE_NOT_FOUND when the object is gone
 */
export async function redirectToStaged(
  deps: ContentDeps,
  command: Command,
  content: StagedContent,
  head: { type: string; disposition: string; etag: string; more?: Record<string, string> },
): Promise<Response> {
  const key = await singleObject(deps, command, content);
  const { type, disposition, etag, more } = head;
  const location = await deps.staging.signGet(key, REDIRECT_SECONDS, { type, disposition });
  return new Response(
    JSON.stringify({ message: "The content is at Location", data: { size: content.size } }),
    {
      status: 302,
      headers: {
        location,
        etag,
        "content-type": "application/json",
        "content-disposition": disposition,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        ...more,
      },
    },
  );
}

/**
 * Key of the one object that is `content`: a URL leads to one. What lies in chunks is joined when it is first
 * asked for so, and the chunks stay beside it for who reads them now.
 * @throws FILE_NOT_FOUND when it is gone
 */
async function singleObject(deps: ContentDeps, command: Command, content: StagedContent): Promise<string> {
  const { staging } = deps;
  const { size, chunkBytes } = content;
  const key = chunkBytes === undefined ? contentKey(command, content) : joinedKey(command, content);
  const object = await staging.head(key);
  if (object?.size === size) return key;
  if (chunkBytes === undefined) throw gone();
  const { body } = await openStaged(deps, command, content);
  try {
    await staging.put(key, body, { maxBytes: size });
  } finally {
    body.destroy();
  }
  return key;
}

/**
 * Streams `body` as the answer. With `once`, what is staged of the command goes when all of it was handed to
 * the client; a client that hangs up before keeps it (it goes after a day). HEAD is answered without the bytes.
 */
export function streamStaged(
  c: ContentContext,
  deps: ContentDeps,
  command: Command,
  body: Readable,
  options: { once: boolean; headers: Record<string, string>; status?: number },
): Response {
  const remove = () => removeStaged(deps, command);
  const outgoing = c.env?.outgoing;
  if (c.req.method === "HEAD") {
    body.destroy();
    if (options.once) void remove();
    return new Response(null, { status: options.status ?? 200, headers: options.headers });
  }
  if (options.once && outgoing) {
    outgoing.once("close", () => {
      if (outgoing.writableFinished) void remove();
    });
  }
  // Where nobody tells how far the client got (Lambda) it goes before the end is told: after it all stands still.
  const given = options.once && !outgoing ? Readable.from(withLast(body, remove), BYTES) : body;
  body.once("error", (error) => {
    deps.log.error({ err: error, command: command.id }, "staged content could not be read to its end");
  });
  const stream = Readable.toWeb(given) as ReadableStream<Uint8Array>;
  return new Response(stream, { status: options.status ?? 200, headers: options.headers });
}

/**
 * The answer to HEAD: what GET's would be, without the bytes of `content`, which with `once` go at once.
 * @throws FILE_NOT_FOUND when the object is gone
 */
export async function headOfStaged(
  deps: ContentDeps,
  command: Command,
  content: StagedContent,
  of: { once: boolean; size: number; headers: Record<string, string>; range: string | undefined },
): Promise<Response> {
  if (!(await isStaged(deps.staging, command, content))) throw gone();
  if (of.once) await removeStaged(deps, command);
  const headers = {
    ...of.headers,
    "content-length": String(of.size),
    ...(of.range && { "content-range": of.range }),
  };
  return new Response(null, { status: of.range ? 206 : 200, headers });
}

/** What is staged of a command is fetched and goes; should that fail, it is swept later. */
export async function removeStaged(deps: ContentDeps, command: Command): Promise<void> {
  await deps.staging.deletePrefix(downlinkPrefix(command)).catch((error) => {
    deps.log.warn({ err: error, command: command.id }, "staged content stays until it is swept");
  });
}

function gone(): PerigeeError {
  return new PerigeeError("FILE_NOT_FOUND", "The content is no longer there");
}

const BYTES = { objectMode: false, highWaterMark: 256 * KiB };

/** The chunks of `body`; its end comes when `last` is done. */
async function* withLast(body: Readable, last: () => Promise<void>): AsyncGenerator<Buffer> {
  yield* body;
  await last();
}

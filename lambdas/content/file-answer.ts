import { readRange, resolveRange } from "#protocol/byte-range.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { ResultOf } from "#protocol/operations.ts";
import { attachment } from "../http/content-disposition.ts";
import type { Command } from "../ledger/command.ts";
import {
  type ContentContext,
  type ContentDeps,
  headOfStaged,
  openStaged,
  redirectToStaged,
  removeStaged,
  streamStaged,
} from "./staged-content.ts";

/**
 * The answer of files/downlink: a file, a part of one (206), or a directory as an archive. Where only so much passes
 * through the ground, what is larger is a 302 to staging; of a larger part that the edge has cut out comes as much as may
 * pass, which its `Content-Range` says.
 * @param part of what is staged, when all of it was asked of the edge
 */
export async function fileAnswer(
  c: ContentContext,
  deps: ContentDeps,
  result: ResultOf<"volume.read">,
  command: Command,
  once: boolean,
  part?: { start: number; end: number },
): Promise<Response> {
  const { directory, type, disposition, etag } = described(result);
  const { content } = result;
  const { size: staged } = content;
  const headers = headersOf(result, directory && !part);
  const rangeOf = (size: number) => {
    const first = (result.range ?? part)?.start ?? 0;
    return (result.range ?? part) && `bytes ${first}-${first + size - 1}/${result.total}`;
  };
  const most = deps.passBytes ?? Number.POSITIVE_INFINITY;
  const wanted = part ? part.end - part.start + 1 : staged;
  if (c.req.method === "HEAD")
    return headOfStaged(deps, command, content, { once, size: wanted, headers, range: rangeOf(wanted) });
  // Where all of it is staged, whoever is led there asks for the same part of it.
  if (wanted > most && !result.range)
    return redirectToStaged(deps, command, content, { type, disposition, etag, more: listed(result) });
  const given = wanted > most ? { start: 0, end: most - 1 } : part;
  const { body, size } = await openStaged(deps, command, content, given);
  const range = rangeOf(size);
  return streamStaged(c, deps, command, body, {
    once,
    status: range ? 206 : 200,
    headers: { ...headers, "content-length": String(size), ...(range && { "content-range": range }) },
  });
}

/** What a HEAD of files/downlink asks of the edge in place of the whole file; of a directory all of it comes. */
export const HEAD_RANGE = { suffix: 1 };

/**
 * The answer to HEAD of files/downlink: what GET answers, its `Range` included, from the little that
 * {@link HEAD_RANGE} brought.
 * @throws RANGE_NOT_SATISFIABLE
 */
export async function fileHead(
  c: ContentContext,
  deps: ContentDeps,
  result: ResultOf<"volume.read">,
  command: Command,
  once: boolean,
): Promise<Response> {
  if (once) await removeStaged(deps, command);
  const directory = result.kind === "directory";
  const headers = headersOf(result, directory);
  const part = directory ? undefined : askedPart(c, result, result.total, "The file");
  const size = part ? part.end - part.start + 1 : result.total;
  return new Response(null, {
    status: part ? 206 : 200,
    headers: {
      ...headers,
      "content-length": String(size),
      ...(part && { "content-range": `bytes ${part.start}-${part.end}/${result.total}` }),
    },
  });
}

const ARCHIVE_TYPES = { tar: "application/x-tar", zip: "application/zip" };

function described(result: ResultOf<"volume.read">) {
  const directory = result.kind === "directory";
  const archive = result.archive ?? "tar";
  return {
    directory,
    type: directory ? ARCHIVE_TYPES[archive] : "application/octet-stream",
    disposition: attachment(directory ? `${result.name}.${archive}` : result.name),
    etag: quoted(result.etag),
  };
}

/** `whole`: it comes whole or not at all. */
function headersOf(result: ResultOf<"volume.read">, whole: boolean): Record<string, string> {
  const { type, disposition, etag } = described(result);
  return {
    "content-type": type,
    "content-disposition": disposition,
    etag,
    "last-modified": new Date(result.modified).toUTCString(),
    "accept-ranges": whole ? "none" : "bytes",
    "cache-control": "private, no-cache",
    "x-content-type-options": "nosniff",
    ...listed(result),
  };
}

/** Of a directory: what its archive has brought, and since when, if not all. */
function listed({ listing, since }: ResultOf<"volume.read">): Record<string, string> {
  return { ...(listing && { "perigee-listing": listing }), ...(since && { "perigee-since": since }) };
}

/**
 * `GET /commands/{id}/content` of a downlink: what the edge sent, again and in parts (`Range`, `If-Range`), so
 * that a cut download goes on without the edge.
 * @throws FILE_NOT_FOUND when it is gone, RANGE_NOT_SATISFIABLE
 */
export function stagedFileAnswer(
  c: ContentContext,
  deps: ContentDeps,
  result: ResultOf<"volume.read">,
  command: Command,
): Promise<Response> {
  const part = result.range ? undefined : askedPart(c, result, result.content.size, "The content");
  return fileAnswer(c, deps, result, command, false, part);
}

/** The part that the request's `Range` and `If-Range` ask for of `size` bytes. @throws RANGE_NOT_SATISFIABLE */
function askedPart(c: ContentContext, { etag }: ResultOf<"volume.read">, size: number, what: string) {
  const ifRange = c.req.header("if-range");
  const asked = ifRange === undefined || ifRange === quoted(etag) ? c.req.header("range") : undefined;
  const part = resolveRange(readRange(asked), size);
  if (part !== "unsatisfiable") return part;
  throw new PerigeeError("RANGE_NOT_SATISFIABLE", `${what} has ${size} bytes`, { data: { total: size } });
}

function quoted(etag: string): string {
  return /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(etag) ? etag : `"${etag.replace(/[^\x21\x23-\x7e]/g, "")}"`;
}

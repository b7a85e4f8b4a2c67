import type { ResultOf } from "#protocol/operations.ts";
import { attachment } from "../../http/content-disposition.ts";
import type { Command } from "../../ledger/command.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { openStaged, streamStaged } from "./staged-content.ts";

/** The answer of files/downlink: a file, a part of one (206), or a directory as a tar. */
export async function downlinkAnswer(
  c: EmContext,
  deps: EmDeps,
  result: ResultOf<"volume.read">,
  command: Command,
  once: boolean,
): Promise<Response> {
  const { body, size } = await openStaged(deps, command, result.content.n);
  const directory = result.kind === "directory";
  const { range } = result;
  return streamStaged(c, deps, command, body, {
    once,
    status: range ? 206 : 200,
    headers: {
      "content-type": directory ? "application/x-tar" : "application/octet-stream",
      "content-length": String(size),
      "content-disposition": attachment(directory ? `${result.name}.tar` : result.name),
      etag: quoted(result.etag),
      "last-modified": new Date(result.modified).toUTCString(),
      "accept-ranges": directory ? "none" : "bytes",
      "cache-control": "private, no-cache",
      "x-content-type-options": "nosniff",
      ...(range && { "content-range": `bytes ${range.start}-${range.end}/${result.total}` }),
    },
  });
}

function quoted(etag: string): string {
  return /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(etag) ? etag : `"${etag.replace(/[^\x21\x23-\x7e]/g, "")}"`;
}

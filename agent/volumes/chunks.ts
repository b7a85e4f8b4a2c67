import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync } from "node:fs";
import { Readable } from "node:stream";
import { chunkListBytes, chunkRecord } from "#protocol/chunking/chunk-list.ts";
import { CHUNKER, Chunker } from "#protocol/chunking/chunker.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { isMissing, type Opened, openBeneath } from "../files/open-beneath.ts";
import { readAgain } from "../files/read-exactly.ts";
import type { OperationHandler } from "../operation.ts";
import type { Volumes } from "./volumes.ts";

/**
 * Sends the list of a file's chunks into staging.
 * @throws PerigeeError FILE_NOT_FOUND, INVALID_PATH, ILLEGAL_PATH
 */
export function chunksHandler(volumes: Volumes): OperationHandler<"volume.chunks"> {
  return async ({ command, input, signal, progress, spool, store }) => {
    using root = volumes.open(command.user, input.volume);
    const opened = root && openFile(root, input.path);
    if (opened === undefined) throw new PerigeeError("FILE_NOT_FOUND", `File not found: ${input.path}`);
    try {
      const size = Number(fstatSync(opened.fd).size);
      const tell = (done: number) => progress({ phase: "chunking", done, total: size, unit: "bytes" });
      const make = () => Readable.from(records(opened.fd, size, signal, tell), { objectMode: false });
      using list = await spool(0, make, chunkListBytes(size));
      return { size, chunker: CHUNKER, content: await store(0, list, chunkListBytes(size)) };
    } finally {
      closeSync(opened.fd);
    }
  };
}

/** The file at `path`, or undefined without one. @throws PerigeeError INVALID_PATH for what is no file, ILLEGAL_PATH */
export function openFile(root: Parameters<typeof openBeneath>[0], path: string): { fd: number } | undefined {
  let opened: Opened;
  try {
    opened = openBeneath(root, path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  if (opened.kind === "file") return opened;
  if (opened.kind === "directory") opened.directory.close();
  throw new PerigeeError("INVALID_PATH", `${path} is no file`);
}

async function* records(fd: number, size: number, signal: AbortSignal, tell: (done: number) => void) {
  const chunker = new Chunker();
  let hash: Hash = createHash("sha256");
  let length = 0;
  let done = 0;
  for await (const given of readAgain(fd, 0, size)) {
    signal.throwIfAborted();
    const bytes = given as Buffer;
    const out: Buffer[] = [];
    let from = 0;
    const add = (end: number) => {
      hash.update(bytes.subarray(from, end));
      length += end - from;
      from = end;
    };
    chunker.push(bytes, (end) => {
      add(end);
      out.push(chunkRecord(length, hash.digest()));
      hash = createHash("sha256");
      length = 0;
    });
    add(bytes.length);
    done += bytes.length;
    tell(done);
    if (out.length > 0) yield Buffer.concat(out);
  }
  if (length > 0) yield chunkRecord(length, hash.digest());
}

import { createHash } from "node:crypto";
import { closeSync, fstatSync } from "node:fs";
import { Readable } from "node:stream";
import { chunkListBytes } from "#protocol/chunking/chunk-list.ts";
import { CHUNKER } from "#protocol/chunking/chunker.ts";
import { listChunks } from "#protocol/chunking/list-chunks.ts";
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
      const make = () =>
        Readable.from(listChunks(told(opened.fd, size, signal, tell), sha256), { objectMode: false });
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

const sha256 = () => createHash("sha256");

async function* told(fd: number, size: number, signal: AbortSignal, tell: (done: number) => void) {
  let done = 0;
  for await (const given of readAgain(fd, 0, size)) {
    signal.throwIfAborted();
    const bytes = given as Buffer;
    yield bytes;
    done += bytes.length;
    tell(done);
  }
}

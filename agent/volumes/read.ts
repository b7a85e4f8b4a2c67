import { closeSync } from "node:fs";
import { Transform } from "node:stream";
import { Xxh64 } from "@node-rs/xxhash";
import { PerigeeError } from "#protocol/errors.ts";
import type { ResultOf } from "#protocol/operations.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { Progress } from "#protocol/wire.ts";
import type { Directory } from "../files/directory.ts";
import { isMissing, type Opened, openBeneath } from "../files/open-beneath.ts";
import { packDirectory } from "../files/pack-directory.ts";
import { FileShrank, readExactly } from "../files/read-exactly.ts";
import { TreeTooLarge } from "../files/walk-tree.ts";
import type { OperationContext, OperationHandler } from "../operation.ts";
import { etagOf, ifRangeHolds, resolveRange } from "./byte-range.ts";
import type { VolumeDeps } from "./handlers.ts";
import type { Volumes } from "./volumes.ts";

type Context = OperationContext<"volume.read">;
type Result = ResultOf<"volume.read">;

/** Room for tar's own blocks beside the contents. */
const TAR_OVERHEAD = 1.05;

/**
 * Reads a file, or a directory as a tar, into staging; creates nothing.
 * @throws PerigeeError FILE_NOT_FOUND, ILLEGAL_PATH, INVALID_PATH, RANGE_NOT_SATISFIABLE, QUOTA_EXCEEDED
 */
export function readHandler(volumes: Volumes, deps: VolumeDeps): OperationHandler<"volume.read"> {
  return async (context) => {
    const { command, input } = context;
    using root = volumes.open(command.user, input.volume);
    if (root === undefined) throw notFound(input.path);
    const opened = open(root, input.path);
    const name = input.path.split("/").at(-1) || input.volume;
    try {
      if (opened.kind === "file") return await sendFile(context, opened, name, deps.budget.quota);
      if (opened.kind === "directory") return await sendDirectory(context, opened, name, deps.budget.quota);
    } catch (error) {
      throw readable(error, context);
    }
    throw new PerigeeError("INVALID_PATH", `${input.path} is neither a file nor a directory`);
  };
}

function open(root: Directory, path: string): Opened {
  try {
    return openBeneath(root, path);
  } catch (error) {
    throw isMissing(error) ? notFound(path) : error;
  }
}

async function sendFile(
  context: Context,
  { fd, stats }: Opened & { kind: "file" },
  name: string,
  quota: number,
): Promise<Result> {
  let handedOver = false;
  try {
    const total = Number(stats.size);
    const etag = etagOf(stats);
    const modified = Number(stats.mtimeMs);
    const asked = ifRangeHolds(context.input.ifRange, etag, modified) ? context.input.range : undefined;
    const range = resolveRange(asked, total);
    const { start, end } = range ?? { start: 0, end: total - 1 };
    const length = end - start + 1;
    if (length > quota) throw byteQuotaExceeded();
    const body = readExactly(fd, start, length);
    handedOver = true;
    const counted = heard(body.pipe(meter(context, length)));
    body.once("error", (error) => counted.destroy(error));
    counted.once("close", () => body.destroy());
    try {
      const content = await context.store(0, counted, length, length);
      return { kind: "file", name, total, etag, modified, ...(range && { range }), content };
    } finally {
      counted.destroy();
    }
  } finally {
    if (!handedOver) closeSync(fd);
  }
}

async function sendDirectory(
  context: Context,
  { directory, stats }: Opened & { kind: "directory" },
  name: string,
  quota: number,
): Promise<Result> {
  using held = directory;
  const hash = new Xxh64();
  const tar = packDirectory(held, { signal: context.signal, maxBytes: quota });
  const body = heard(tar.pipe(meter(context, undefined, (chunk) => hash.update(chunk))));
  tar.once("error", (error) => body.destroy(error));
  body.once("close", () => tar.destroy());
  const closed = new Promise((resolve) => tar.once("close", resolve));
  try {
    const content = await context.store(0, body, Math.ceil(quota * TAR_OVERHEAD));
    // a tar has no state of its own to be recognised by: its bytes are
    const etag = `"${hash.digest().toString(36)}-${content.size.toString(36)}"`;
    return {
      kind: "directory",
      name,
      total: content.size,
      etag,
      modified: Number(stats.mtimeMs),
      content,
    };
  } finally {
    body.destroy();
    // it reads through `held`
    await closed;
  }
}

/** It may break before anybody reads it, while it is still asked where it is to go: whoever reads it then is told. */
function heard<T extends Transform>(stream: T): T {
  return stream.on("error", () => undefined);
}

function meter(context: Context, total?: number, see?: (chunk: Buffer) => void): Transform {
  let done = 0;
  return new Transform({
    readableHighWaterMark: 512 * 1024,
    writableHighWaterMark: 512 * 1024,
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      see?.(chunk);
      const progress: Progress = { phase: "sending", done, unit: "bytes" };
      context.progress(total === undefined ? progress : { ...progress, total });
      next(null, chunk);
    },
  });
}

/** What the user is told when reading broke off. */
function readable(error: unknown, { input, signal }: Context): unknown {
  if (signal.aborted) return signal.reason;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof FileShrank) {
      return new PerigeeError("INVALID_PATH", `${input.path || "The volume"} changed while it was read`, {
        cause: error,
      });
    }
    if (cause instanceof TreeTooLarge) {
      return new PerigeeError("INVALID_PATH", `The directory cannot be sent as a tar: ${cause.message}`, {
        cause: error,
      });
    }
  }
  return error;
}

function notFound(path: string): PerigeeError {
  return new PerigeeError("FILE_NOT_FOUND", `File not found: ${path === "" ? "the volume is empty" : path}`);
}

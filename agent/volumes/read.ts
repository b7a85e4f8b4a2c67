import { closeSync, fstatSync } from "node:fs";
import { Transform } from "node:stream";
import { resolveRange } from "#protocol/byte-range.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { ResultOf } from "#protocol/operations.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { Directory } from "../files/directory.ts";
import { isMissing, type Opened, openBeneath } from "../files/open-beneath.ts";
import { packDirectory } from "../files/pack-directory.ts";
import { type RangedSource, SourceChanged } from "../files/ranged-source.ts";
import { FileShrank, readAgain } from "../files/read-exactly.ts";
import { TreeTooLarge } from "../files/walk-tree.ts";
import { zipDirectory } from "../files/zip-directory.ts";
import type { OperationContext, OperationHandler } from "../operation.ts";
import { notedTar } from "./changes/noted-tar.ts";
import { etagOf, ifRangeHolds } from "./validators.ts";
import type { VolumeDeps } from "./volume-deps.ts";
import type { Volumes } from "./volumes.ts";

type Context = OperationContext<"volume.read">;
type Result = ResultOf<"volume.read">;

/** Bytes for an archive's headers and trailers, beside the contents. */
const ARCHIVE_OVERHEAD = 1.05;

/**
 * Reads a file, or a directory as an archive, into staging; creates nothing.
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
      if (opened.kind === "directory")
        return await sendDirectory(context, opened, name, deps.budget.quota, volumes);
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
  { fd }: Opened & { kind: "file" },
  name: string,
  quota: number,
): Promise<Result> {
  try {
    return await sendOpened(context, fd, name, quota, false);
  } catch (error) {
    if (!(error instanceof SourceChanged)) throw error;
    // While somebody keeps writing to the file, sending would start again and again: a copy does not change.
    return await sendOpened(context, fd, name, quota, true);
  } finally {
    closeSync(fd);
  }
}

/** Sends what is asked for of a file as it is now: from the file itself, or from a copy of it. */
async function sendOpened(
  context: Context,
  fd: number,
  name: string,
  quota: number,
  copied: boolean,
): Promise<Result> {
  const stats = fstatSync(fd, { bigint: true });
  const total = Number(stats.size);
  const etag = etagOf(stats);
  const modified = Number(stats.mtimeMs);
  const asked = ifRangeHolds(context.input.ifRange, etag, modified) ? context.input.range : undefined;
  const range = resolveRange(asked, total);
  if (range === "unsatisfiable") {
    throw new PerigeeError("RANGE_NOT_SATISFIABLE", `The file has ${total} bytes`, { data: { total } });
  }
  const { start, end } = range ?? { start: 0, end: total - 1 };
  const length = end - start + 1;
  if (length > quota) throw byteQuotaExceeded();
  let most = 0;
  const source: RangedSource = {
    size: length,
    pin: `${etag}${start}`,
    read: (from, count) => readAgain(fd, start + from, count),
    check() {
      if (etagOf(fstatSync(fd, { bigint: true })) !== etag) throw new SourceChanged(`${name} has changed`);
    },
    sent(done) {
      // of parts that are sent side by side the one behind may be told after the one ahead
      most = Math.max(most, done);
      context.progress({ phase: "sending", done: most, total: length, unit: "bytes" });
    },
  };
  const content = await context.store(0, copied ? source.read(0, length) : source, length);
  return { kind: "file", name, total, etag, modified, ...(range && { range }), content };
}

async function sendDirectory(
  context: Context,
  { directory, stats }: Opened & { kind: "directory" },
  name: string,
  quota: number,
  volumes: Volumes,
): Promise<Result> {
  using held = directory;
  const { archive = "tar" } = context.input;
  const most = Math.ceil(quota * ARCHIVE_OVERHEAD);
  const noted = archive === "tar" ? await notedTar(context, held, volumes) : undefined;
  let closed = Promise.resolve();
  const pack = () => {
    const options = { signal: context.signal, maxBytes: quota };
    const packed = noted ? packDirectory(held, { ...noted.pack, ...options }) : zipDirectory(held, options);
    closed = new Promise((resolve) => packed.once("close", () => resolve()));
    const body = meter(context);
    // It may fail before it is read: the error is then reported to the reader, and must not be unhandled until then.
    body.on("error", () => undefined);
    packed.once("error", (error) => body.destroy(error));
    body.once("close", () => packed.destroy());
    return packed.pipe(body);
  };
  try {
    using spooled = await context.spool(0, pack, most);
    const { size: total } = spooled;
    const told = noted?.told();
    const sent = (done: number) => context.progress({ phase: "sending", done, total, unit: "bytes" });
    const content = await context.store(0, { ...spooled, sent }, most);
    // an archive has no inode or times to identify its content: its bytes do
    const etag = `"${spooled.pin}"`;
    const modified = Number(stats.mtimeMs);
    const as = told ?? { archive };
    return { kind: "directory", ...as, name, total, etag, modified, content };
  } finally {
    // the stream reads through `held` until it is closed
    await closed;
  }
}

function meter(context: Context): Transform {
  let done = 0;
  return new Transform({
    readableHighWaterMark: 512 * 1024,
    writableHighWaterMark: 512 * 1024,
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      context.progress({ phase: "packing", done, unit: "bytes" });
      next(null, chunk);
    },
  });
}

/** The error for the user when reading failed in the middle. */
function readable(error: unknown, { input, signal }: Context): unknown {
  if (signal.aborted) return signal.reason;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof FileShrank) {
      return new PerigeeError("INVALID_PATH", `${input.path || "The volume"} changed while it was read`, {
        cause: error,
      });
    }
    if (cause instanceof TreeTooLarge) {
      return new PerigeeError(
        "INVALID_PATH",
        `The directory cannot be sent as an archive: ${cause.message}`,
        {
          cause: error,
        },
      );
    }
  }
  return error;
}

function notFound(path: string): PerigeeError {
  return new PerigeeError("FILE_NOT_FOUND", `File not found: ${path === "" ? "the volume is empty" : path}`);
}

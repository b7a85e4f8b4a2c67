import { randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { type FileHandle, mkdir, open, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Xxh64 } from "@node-rs/xxhash";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, MiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { FileWriter } from "./file-writer.ts";
import { bytesSource, contentPin, type RangedSource } from "./ranged-source.ts";
import { readAgain } from "./read-exactly.ts";

export type SpoolPlace = {
  /** made when missing */
  directory: string;
  /** bytes that may still be written there */
  room(): number;
};

export type SpoolOptions = {
  maxBytes: number;
  signal: AbortSignal;
  /** file that stays when the process ends (default: one without a name, which goes with its descriptor) */
  path?: string;
};

/** A stream that was gathered: it is read from any offset, as often as one likes, until it is disposed. */
export type Spooled = RangedSource & { readonly xxh64: bigint; readonly inFile: boolean } & Disposable;

/** The bytes are hashed as they come, also those that stay in memory. */
const NONE = { update: () => undefined };
/** Less than this stays in memory: it is made again quicker than it is read back. */
const IN_MEMORY = 256 * KiB;
/** So much is written at a time, while what comes next is taken in. */
const BATCH_BYTES = 1 * MiB;
/** Buffers of one write: below IOV_MAX, and a bound for streams of tiny chunks. */
const BATCH_CHUNKS = 512;
/** The room is looked at each time so much was written. */
const LOOK_BYTES = 16 * MiB;

/**
 * Gathers a stream, a large one in a file, which nothing waits for to be on disk: a life that finds it there looks at it
 * first ({@link openSpooled}). What the stream breaks with is thrown as it is, and nothing stays.
 * @throws PerigeeError STORAGE_FULL without room, QUOTA_EXCEEDED over `maxBytes`; the signal's reason
 */
export async function spool(body: Readable, place: SpoolPlace, options: SpoolOptions): Promise<Spooled> {
  const { signal, maxBytes, path } = options;
  // It may fail before it is read: the error is then reported to the reader, and must not be unhandled until then.
  body.on("error", () => undefined);
  const hash = new Xxh64();
  let batch: Buffer[] = [];
  let batchBytes = 0;
  let file: FileHandle | undefined;
  let writer: FileWriter | undefined;
  let size = 0;
  let left = 0;
  let writing: Promise<void> = Promise.resolve();
  const write = async (to: FileWriter, chunks: Buffer[], bytes: number) => {
    left -= bytes;
    if (left < 0) {
      if (place.room() < bytes + LOOK_BYTES) throw full();
      left = LOOK_BYTES;
    }
    await to.write(chunks);
  };
  /** Begins to write what has come, once what came before is written. */
  const flush = async (to: FileWriter) => {
    await writing;
    writing = write(to, batch, batchBytes);
    // it is waited for when the next is written
    writing.catch(() => undefined);
    batch = [];
    batchBytes = 0;
  };
  try {
    for await (const given of body) {
      signal.throwIfAborted();
      const chunk = given as Buffer;
      size += chunk.length;
      if (size > maxBytes) throw byteQuotaExceeded();
      hash.update(chunk);
      batch.push(chunk);
      batchBytes += chunk.length;
      if (!file && size > IN_MEMORY) {
        file = await openFile(place, path);
        writer = new FileWriter(file.fd, { position: 0, size: maxBytes, hash: NONE });
      }
      if (writer && (batchBytes >= BATCH_BYTES || batch.length >= BATCH_CHUNKS)) await flush(writer);
    }
    signal.throwIfAborted();
    const xxh64 = hash.digest();
    if (!file || !writer)
      return { ...bytesSource(batch), xxh64, inFile: false, [Symbol.dispose]: () => undefined };
    await flush(writer);
    await writing;
    return fileSource(openSync(`/proc/self/fd/${file.fd}`, "r"), { size, xxh64 });
  } catch (error) {
    if (file && path !== undefined) await rm(path, { force: true });
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? full(error) : error;
  } finally {
    // no write uses the descriptor any more
    await writing.catch(() => undefined);
    await writer?.idle();
    await file?.close();
  }
}

/**
 * What an earlier life gathered in the file at `path`; undefined when it is gone, or is not that: it is read through, as
 * a power cut may have left less of it than its length says. @throws the signal's reason
 */
export async function openSpooled(
  path: string,
  of: { size: number; xxh64: bigint },
  signal: AbortSignal,
): Promise<Spooled | undefined> {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    if (await holds(fd, of, signal)) return fileSource(fd, of);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/** Are these the bytes of the file? */
async function holds(
  fd: number,
  { size, xxh64 }: { size: number; xxh64: bigint },
  signal: AbortSignal,
): Promise<boolean> {
  if (fstatSync(fd).size !== size) return false;
  const hash = new Xxh64();
  for await (const chunk of readAgain(fd, 0, size)) {
    signal.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return hash.digest() === xxh64;
}

async function openFile({ directory }: SpoolPlace, path: string | undefined): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const flags = constants.O_RDWR | constants.O_CREAT;
  if (path !== undefined) return open(path, flags | constants.O_TRUNC, 0o600);
  const nameless = join(directory, `spool-${randomBytes(8).toString("hex")}`);
  const file = await open(nameless, flags | constants.O_EXCL, 0o600);
  await unlink(nameless);
  return file;
}

function fileSource(fd: number, { size, xxh64 }: { size: number; xxh64: bigint }): Spooled {
  return {
    size,
    xxh64,
    inFile: true,
    pin: contentPin(xxh64, size),
    // the descriptor of a reading goes when a transfer is cut
    read: (start, length) => readAgain(fd, start, length),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function full(cause?: unknown): PerigeeError {
  return new PerigeeError("STORAGE_FULL", "The edge has no room to gather what is to be sent", { cause });
}

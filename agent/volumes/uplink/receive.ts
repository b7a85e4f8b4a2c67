import fs from "node:fs";
import { promisify } from "node:util";
import { Xxh64 } from "@node-rs/xxhash";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { MiB } from "#protocol/limits.ts";
import type { StagedFile } from "#protocol/operations.ts";
import { isErrno } from "../../files/directory.ts";
import { readExactly } from "../../files/read-exactly.ts";
import { markUplinked, UPLINK_MODE } from "../../files/uplink-mark.ts";
import type { OperationContext } from "../../operation.ts";
import { FileWriter } from "./file-writer.ts";
import type { Incoming } from "./incoming.ts";

const fsync = promisify(fs.fsync);

/** Files up to this size are received several at a time: they cost round trips, not bandwidth. */
const SMALL = 1 * MiB;
const PARALLEL = 4;
/** The free space is checked again after so many bytes. */
const ROOM_BYTES = 64 * MiB;

type Context = Pick<OperationContext<"volume.uplink">, "fetchInto" | "progress" | "signal">;

/** A staged file was received twice, and both times its content was not the one in the manifest. */
class WrongContent extends Error {
  override readonly name = "WrongContent";
}

/**
 * Receives every file of the plan that is missing; each is checked against its hash and durable when
 * this returns. A partial file of an earlier attempt is continued.
 * @param assertRoom throws when so many more bytes would go below the free-space floor
 * @throws PerigeeError STORAGE_FULL, CHECKSUM_MISMATCH; the signal's reason
 */
export async function receive(
  incoming: Incoming,
  context: Context,
  assertRoom: (bytes: number) => void,
): Promise<void> {
  const { plan } = incoming;
  const total = plan.reduce((sum, { size }) => sum + size, 0);
  const arrived = new Map<number, number>();
  let sum = 0;
  let looked = 0;
  const account = (n: number, bytes: number) => {
    sum += bytes - (arrived.get(n) ?? 0);
    arrived.set(n, bytes);
    context.progress({ phase: "receiving", done: sum, total, unit: "bytes" });
    if (sum - looked >= ROOM_BYTES) {
      looked = sum;
      assertRoom(0);
    }
  };
  const one = async (file: StagedFile) => {
    context.signal.throwIfAborted();
    if (!incoming.has(file.n)) await receiveFile(incoming, file, context, (bytes) => account(file.n, bytes));
    account(file.n, file.size);
  };

  try {
    const small = plan.filter(({ size }) => size <= SMALL).values();
    const lane = async () => {
      for (const file of small) await one(file);
    };
    const lanes = await Promise.allSettled(Array.from({ length: PARALLEL }, lane));
    for (const result of lanes) if (result.status === "rejected") throw result.reason;
    for (const file of plan) if (file.size > SMALL) await one(file);
    incoming.directory.sync();
  } catch (error) {
    context.signal.throwIfAborted();
    throw isErrno(error, "ENOSPC", "EDQUOT")
      ? new PerigeeError("STORAGE_FULL", "The edge's disk is full", { cause: error })
      : error;
  }
}

async function receiveFile(
  incoming: Incoming,
  file: StagedFile,
  context: Context,
  progress: (bytes: number) => void,
): Promise<void> {
  const { directory } = incoming;
  const part = `${file.n}.part`;
  const fd = fs.openSync(directory.at(part), fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  try {
    markUplinked(fd);
    fs.fchmodSync(fd, UPLINK_MODE);
    try {
      await fill(fd, file, context, progress);
    } catch (error) {
      if (!(error instanceof WrongContent)) throw error;
      // after a power cut, a partial file may have less content than its length says
      fs.ftruncateSync(fd, 0);
      await fill(fd, file, context, progress).catch((again: unknown) => {
        // The staged file itself differs: its sender declared another hash.
        throw again instanceof WrongContent
          ? new PerigeeError("CHECKSUM_MISMATCH", `files: ${again.message}`, { cause: error })
          : again;
      });
    }
    await fsync(fd);
  } finally {
    fs.closeSync(fd);
  }
  killPoint("uplink.received");
  directory.rename(part, directory, String(file.n));
}

async function fill(
  fd: number,
  file: StagedFile,
  { fetchInto, signal }: Context,
  progress: (bytes: number) => void,
): Promise<void> {
  const hash = new Xxh64();
  let position = fs.fstatSync(fd).size;
  if (position > file.size) {
    fs.ftruncateSync(fd, 0);
    position = 0;
  }
  if (position > 0) {
    const before = readExactly(fs.openSync(`/proc/self/fd/${fd}`, "r"), 0, position);
    for await (const chunk of before) {
      signal.throwIfAborted();
      hash.update(chunk as Buffer);
    }
  }
  if (position < file.size) {
    const writer = new FileWriter(fd, { position, size: file.size, hash, written: progress });
    try {
      await fetchInto(file.n, position, (chunks) => writer.write(chunks));
    } catch (error) {
      if (error instanceof RangeError) throw wrong(file, error.message);
      throw error;
    } finally {
      await writer.idle();
    }
    position = writer.position;
  }
  if (position !== file.size) throw wrong(file, `it has ${position} bytes instead of ${file.size}`);
  const found = hash.digest().toString(16).padStart(16, "0");
  if (found !== file.xxh64) throw wrong(file, `its hash is ${found} instead of ${file.xxh64}`);
}

function wrong({ path }: StagedFile, why: string): WrongContent {
  return new WrongContent(`${JSON.stringify(path)} did not arrive as it was sent: ${why}`);
}

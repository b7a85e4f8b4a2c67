import { createHash, type Hash } from "node:crypto";
import fs from "node:fs";
import { promisify } from "node:util";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { isErrno } from "../../files/directory.ts";
import { readExactly } from "../../files/read-exactly.ts";
import type { OperationContext } from "../../operation.ts";
import { FileWriter } from "../../volumes/uplink/file-writer.ts";

const fsync = promisify(fs.fsync);
/** The free space is checked again after so many bytes. */
const ROOM_BYTES = 64 * MiB;

type Context = Pick<OperationContext, "fetchInto" | "progress" | "signal">;

export type ReceivedFile = {
  /** where it is received; what is there of an earlier try is gone on with */
  path: string;
  /** of the whole, in bytes */
  bytes: number;
  /** of the whole, hex */
  sha256: string;
};

/**
 * Receives a command's only staged file: checked against its digest and durable when this returns.
 * @param assertRoom throws when so many more bytes would go below the free-space floor
 * @throws PerigeeError STORAGE_FULL, CHECKSUM_MISMATCH when it is not what was announced; the signal's reason
 */
export async function receiveFile(
  file: ReceivedFile,
  context: Context,
  assertRoom: (bytes: number) => void,
): Promise<void> {
  const fd = fs.openSync(
    file.path,
    fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW,
    0o600,
  );
  try {
    assertRoom(Math.max(0, file.bytes - fs.fstatSync(fd).size));
    if (!(await fill(fd, file, context, assertRoom))) {
      // what an earlier try left may have lost content in a power cut
      fs.ftruncateSync(fd, 0);
      if (!(await fill(fd, file, context, assertRoom))) {
        throw new PerigeeError("CHECKSUM_MISMATCH", "The file did not arrive as the ground had it");
      }
    }
    await fsync(fd);
  } catch (error) {
    context.signal.throwIfAborted();
    throw isErrno(error, "ENOSPC", "EDQUOT")
      ? new PerigeeError("STORAGE_FULL", "The edge's disk is full", { cause: error })
      : error;
  } finally {
    fs.closeSync(fd);
  }
}

/** @returns whether the file is whole and has its digest */
async function fill(
  fd: number,
  { bytes, sha256 }: ReceivedFile,
  { fetchInto, progress, signal }: Context,
  assertRoom: (bytes: number) => void,
): Promise<boolean> {
  const hash = createHash("sha256");
  let position = fs.fstatSync(fd).size;
  if (position > bytes) {
    fs.ftruncateSync(fd, 0);
    position = 0;
  }
  await hashBeginning(fd, position, hash, signal);
  if (position < bytes) {
    let looked = position;
    const written = (at: number) => {
      progress({ phase: "receiving", done: at, total: bytes, unit: "bytes" });
      if (at - looked < ROOM_BYTES) return;
      looked = at;
      assertRoom(0);
    };
    const writer = new FileWriter(fd, { position, size: bytes, hash, written });
    try {
      await fetchInto(0, position, (chunks) => writer.write(chunks));
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    } finally {
      await writer.idle();
    }
    position = writer.position;
  }
  return position === bytes && hash.digest("hex") === sha256;
}

async function hashBeginning(fd: number, length: number, hash: Hash, signal: AbortSignal): Promise<void> {
  if (length === 0) return;
  for await (const chunk of readExactly(fs.openSync(`/proc/self/fd/${fd}`, "r"), 0, length)) {
    signal.throwIfAborted();
    hash.update(chunk as Buffer);
  }
}

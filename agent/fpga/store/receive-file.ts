import { createHash } from "node:crypto";
import fs from "node:fs";
import { promisify } from "node:util";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { diskFullOr } from "../../files/free-space.ts";
import { receiveContent, WrongContent } from "../../files/receive-content.ts";
import type { OperationContext } from "../../operation.ts";

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
  const { progress, signal } = context;
  let looked = 0;
  const written = (at: number) => {
    progress({ phase: "receiving", done: at, total: file.bytes, unit: "bytes" });
    // an earlier try's content may be received anew
    looked = Math.min(looked, at);
    if (at - looked < ROOM_BYTES) return;
    looked = at;
    assertRoom(0);
  };
  try {
    const begun = fs.fstatSync(fd).size;
    assertRoom(Math.max(0, file.bytes - begun));
    looked = begun;
    await receiveContent(fd, { n: 0, size: file.bytes, hash: file.sha256, makeHash }, context, written);
    await fsync(fd);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof WrongContent)) throw diskFullOr(error);
    throw new PerigeeError("CHECKSUM_MISMATCH", "The file did not arrive as the ground had it", {
      cause: error,
    });
  } finally {
    fs.closeSync(fd);
  }
}

function makeHash() {
  const hash = createHash("sha256");
  return { update: (chunk: Buffer) => hash.update(chunk), text: () => hash.digest("hex") };
}

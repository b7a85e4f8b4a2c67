import type { FileHandle } from "node:fs/promises";
import { KiB } from "#protocol/limits.ts";

const PIECE_BYTES = 256 * KiB;

/**
 * A file from its beginning in two buffers: one is read into while the other is used, and what was in it is overwritten
 * when the next piece is asked for. A stream allocates a buffer for every piece, and those that are not collected yet are
 * most of what reading a large file takes. It closes the file.
 */
export async function* piecesOf(file: FileHandle): AsyncGenerator<Uint8Array, void, undefined> {
  let [used, spare] = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)];
  try {
    let reading = file.read(used, 0, PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      const piece = used.subarray(0, bytesRead);
      [used, spare] = [spare, used];
      reading = file.read(used, 0, PIECE_BYTES);
      // it may never be asked for
      reading.catch(() => {});
      yield piece;
    }
  } finally {
    // after the read that is under way
    await file.close();
  }
}

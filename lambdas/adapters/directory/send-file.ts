import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { KiB } from "#protocol/limits.ts";

/** One is read while others are sent; together they fit into a core's cache. */
const SLOTS = 3;
const SLOT_BYTES = 256 * KiB;

/**
 * Sends `size` bytes of a file from `start` on as the body of an answer whose head is written, and ends it.
 * A few buffers are used again and again: streams make a new one for every chunk, and collecting them costs
 * more than sending. Returns when all was handed to the system or the client has gone; the file stays open.
 * @throws when the file cannot be read, or is shorter; the answer is not ended then
 */
export async function sendFile(
  file: FileHandle,
  { start, size }: { start: number; size: number },
  outgoing: ServerResponse,
): Promise<void> {
  if (outgoing.destroyed) return;
  const gone = new Promise<void>((resolve) => outgoing.once("close", resolve));
  // a write of a gone client tells its error to the answer too
  outgoing.on("error", () => {});
  const slotBytes = Math.min(SLOT_BYTES, size);
  const slots = Array.from({ length: Math.min(SLOTS, Math.ceil(size / slotBytes)) }, () => ({
    buffer: Buffer.allocUnsafeSlow(slotBytes),
    free: Promise.resolve(),
  }));
  let sent: Promise<void> = Promise.resolve();
  for (let at = 0, turn = 0; at < size; turn = (turn + 1) % slots.length) {
    const slot = slots[turn]!;
    await Promise.race([slot.free, gone]);
    if (outgoing.destroyed) return;
    const { bytesRead } = await file.read(slot.buffer, 0, Math.min(slotBytes, size - at), start + at);
    if (bytesRead === 0) throw new Error("the file is shorter than it was");
    if (outgoing.destroyed) return;
    at += bytesRead;
    sent = new Promise((resolve) => outgoing.write(slot.buffer.subarray(0, bytesRead), () => resolve()));
    slot.free = sent;
  }
  // writes end in their order
  await Promise.race([sent, gone]);
  outgoing.end();
}

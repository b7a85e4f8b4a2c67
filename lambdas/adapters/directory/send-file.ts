import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { KiB } from "#protocol/limits.ts";

/** Buffers: one is read into while others are sent. Together they fit into a core's cache. */
const SLOTS = 3;
const SLOT_BYTES = 256 * KiB;

/**
 * Sends `size` bytes of a file from `start` on as the body of a response whose head was written, and ends it.
 * It reuses a few buffers: a stream allocates one for every chunk, and collecting them costs more than sending.
 * Returns when everything was handed to the system or the client has gone; the file stays open.
 * @throws when the file cannot be read, or is shorter; the response is not ended then
 */
export async function sendFile(
  file: FileHandle,
  { start, size }: { start: number; size: number },
  outgoing: ServerResponse,
): Promise<void> {
  if (outgoing.destroyed) return;
  const gone = new Promise<void>((resolve) => outgoing.once("close", resolve));
  // a write to a client that has gone reports its error on the response as well
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
  // writes complete in order
  await Promise.race([sent, gone]);
  outgoing.end();
}

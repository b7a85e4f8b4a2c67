/** Splits a stream into what came behind a length of two bytes each. */
export class Frames {
  #left: Buffer = Buffer.alloc(0);

  /** The frames that are whole with this chunk. */
  add(chunk: Buffer): Buffer[] {
    const all = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    while (all.length - at >= 2) {
      const end = at + 2 + all.readUInt16BE(at);
      if (end > all.length) break;
      frames.push(all.subarray(at + 2, end));
      at = end;
    }
    this.#left = all.subarray(at);
    return frames;
  }
}

/** A packet behind its length. */
export function framed(packet: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(2 + packet.length);
  frame.writeUInt16BE(packet.length);
  packet.copy(frame, 2);
  return frame;
}

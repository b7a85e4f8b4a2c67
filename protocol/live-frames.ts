import { LIVE_LIMITS } from "./live-limits.ts";

/**
 * Frames of a live session's socket between ground and agent: `[kind u8][payload]`, each one binary WebSocket message.
 * A control message that is longer than a frame comes as full frames of kind `part` and one of kind `control` for its end;
 * frames of other kinds may be between them. No I/O here.
 */
export const FRAMES = { stdin: 0, stdout: 1, stderr: 2, control: 3, credit: 4, part: 5 } as const;
export type DataStream = "stdin" | "stdout" | "stderr";

/** Something that is not of this protocol: the socket is to be closed. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

export type Frame =
  | { kind: DataStream; data: Uint8Array }
  | { kind: "control"; message: unknown }
  | { kind: "credit"; bytes: number };

const STREAMS: readonly (DataStream | undefined)[] = ["stdin", "stdout", "stderr"];

/** The frames of some data, in one piece of memory. */
export function* dataFrames(stream: DataStream, data: Uint8Array): Generator<Uint8Array> {
  const { frameBytes } = LIVE_LIMITS;
  // every byte of it is set below
  const memory = Buffer.allocUnsafe(data.length + Math.ceil(data.length / frameBytes));
  for (let at = 0, begin = 0; at < data.length; at += frameBytes) {
    const payload = data.subarray(at, at + frameBytes);
    const end = begin + 1 + payload.length;
    memory[begin] = FRAMES[stream];
    memory.set(payload, begin + 1);
    yield memory.subarray(begin, end);
    begin = end;
  }
}

/** @throws RangeError for one over LIVE_LIMITS.controlBytes */
export function controlFrames(message: unknown): Uint8Array[] {
  const text = new TextEncoder().encode(JSON.stringify(message));
  if (text.length > LIVE_LIMITS.controlBytes) throw new RangeError("the control message is too long");
  const frames: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += LIVE_LIMITS.frameBytes) {
    const end = at + LIVE_LIMITS.frameBytes;
    frames.push(frame(end < text.length ? FRAMES.part : FRAMES.control, text.subarray(at, end)));
  }
  return frames;
}

/** @param bytes that the other side may send beside what it was allowed already */
export function creditFrame(bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes);
  return frame(FRAMES.credit, payload);
}

/** Reads frames in order; it holds the parts of a control message that is not whole. */
export class FrameReader {
  readonly #most: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** @param most bytes of a control message */
  constructor(most: number = LIVE_LIMITS.controlBytes) {
    this.#most = most;
  }

  /** @returns undefined for a part of what is not whole yet. @throws FrameError */
  read(bytes: Uint8Array): Frame | undefined {
    const kind = bytes[0];
    const payload = bytes.subarray(1);
    if (kind === undefined) throw new FrameError("an empty frame");
    if (payload.length > LIVE_LIMITS.frameBytes) throw new FrameError("a frame is too long");
    const stream = STREAMS[kind];
    if (stream !== undefined) {
      if (payload.length === 0) throw new FrameError("a frame without data");
      return { kind: stream, data: payload };
    }
    if (kind === FRAMES.part || kind === FRAMES.control)
      return this.#control(payload, kind === FRAMES.control);
    if (kind !== FRAMES.credit || payload.length !== 4) throw new FrameError("a frame of an unknown kind");
    return { kind: "credit", bytes: new DataView(payload.buffer, payload.byteOffset).getUint32(0) };
  }

  #control(payload: Uint8Array, whole: boolean): Frame | undefined {
    this.#bytes += payload.length;
    if (this.#bytes > this.#most) throw new FrameError("a control message is too long");
    // a million parts of one byte would hold a hundred times as much
    if (!whole && payload.length !== LIVE_LIMITS.frameBytes) throw new FrameError("a part that is not full");
    this.#parts.push(payload);
    if (!whole) return undefined;
    const text = joined(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    try {
      return { kind: "control", message: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text)) };
    } catch {
      throw new FrameError("a control message is no JSON");
    }
  }
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  // every byte of it is set below
  const bytes = Buffer.allocUnsafe(1 + payload.length);
  bytes[0] = kind;
  bytes.set(payload, 1);
  return bytes;
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

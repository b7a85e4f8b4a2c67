import { LIMITS } from "#protocol/limits.ts";
import type { ReadParameters } from "#protocol/live.ts";
import type { ContainerExec, RawExec } from "../container-exec.ts";
import { SessionFailure, type SessionOptions } from "../pod-sessions.ts";
import { READ } from "./file-texts.ts";
import { unreadable } from "./list-files.ts";
import { stdoutOf } from "./stdout.ts";

const SIZE = /^size (\d{1,16})$/;
/** of the line that tells the size */
const LONGEST = 64;

/** A regular file, links followed; see PodSessions.read. @throws SessionFailure */
export async function readFile(
  engine: ContainerExec,
  run: string,
  what: ReadParameters,
  { signal, defaultWorkdir = "" }: SessionOptions,
): Promise<{ size: number; content: AsyncIterable<Buffer> }> {
  if (what.path === "" || what.path.includes("\0")) throw unreadable();
  const argv = ["/bin/sh", "-c", READ, "sh", defaultWorkdir, what.path];
  const exec = await engine.start(run, { argv, as: what.as, terminal: false }, signal);
  const cut = () => exec.cut();
  signal.addEventListener("abort", cut, { once: true });
  // A file may have become a pipe that nobody writes between two looks at it.
  const timer = setTimeout(cut, LIMITS.liveOpenMs);
  let opened = false;
  try {
    const chunks = stdoutOf(exec.output)[Symbol.asyncIterator]();
    let head = Buffer.alloc(0);
    while (!head.includes(10) && head.length < LONGEST) {
      const { value, done } = await chunks.next();
      if (done) break;
      head = Buffer.concat([head, value]);
    }
    const end = head.indexOf(10);
    const told = SIZE.exec(head.toString("latin1", 0, Math.max(0, end)));
    if (!told) throw await whyNot(exec, signal);
    opened = true;
    const size = Number(told[1]);
    return { size, content: contentOf(chunks, head.subarray(end + 1), size, { exec, signal, cut }) };
  } finally {
    clearTimeout(timer);
    if (!opened) {
      signal.removeEventListener("abort", cut);
      exec.cut();
    }
  }
}

async function whyNot(exec: RawExec, signal: AbortSignal): Promise<Error> {
  signal.throwIfAborted();
  await exec.exit();
  return unreadable();
}

async function* contentOf(
  chunks: AsyncIterator<Buffer>,
  first: Buffer,
  size: number,
  { exec, signal, cut }: { exec: RawExec; signal: AbortSignal; cut: () => void },
): AsyncGenerator<Buffer> {
  let left = size;
  try {
    for (let chunk: Buffer | undefined = first; chunk; ) {
      const piece: Buffer = chunk.length > left ? chunk.subarray(0, left) : chunk;
      left -= piece.length;
      if (piece.length > 0) yield piece;
      if (left === 0) return;
      const next = await chunks.next();
      chunk = next.done ? undefined : next.value;
    }
    signal.throwIfAborted();
    await exec.exit();
    throw new SessionFailure("FILE_UNREADABLE", "the file has shrunk while it was read");
  } finally {
    signal.removeEventListener("abort", cut);
    exec.cut();
  }
}

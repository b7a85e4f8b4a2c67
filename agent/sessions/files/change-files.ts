import { KiB } from "#protocol/limits.ts";
import type { ContainerExec } from "../container-exec.ts";
import { SessionFailure, type SessionOptions } from "../pod-sessions.ts";
import { CHANGE } from "./file-texts.ts";
import { removalsOf } from "./removals.ts";

/** Of what tar says, its beginning is told. */
const WORDS = 4 * KiB;
const PIECE = 64 * KiB;
/** an archive of nothing */
const EMPTY = Buffer.alloc(1024);

/** Removes, then unpacks; see PodSessions.change. @throws SessionFailure */
export async function changeFiles(
  engine: ContainerExec,
  run: string,
  what: { remove: readonly string[]; tar: AsyncIterable<Uint8Array> },
  { signal, defaultWorkdir = "" }: SessionOptions,
): Promise<void> {
  const { all, list } = removalsOf(what.remove);
  const argv = ["/bin/sh", "-c", CHANGE, "sh", defaultWorkdir, String(list.length), all ? "all" : ""];
  const exec = await engine.start(run, { argv, as: "root", terminal: false }, signal);
  const cut = () => exec.cut();
  signal.addEventListener("abort", cut, { once: true });
  try {
    const words: Buffer[] = [];
    let kept = 0;
    const reading = (async () => {
      for await (const { stream, data } of exec.output) {
        if (stream !== "stderr" || kept >= WORDS) continue;
        words.push(data.subarray(0, WORDS - kept));
        kept += data.length;
      }
    })();
    reading.catch(() => undefined);
    let sent = 0;
    for (let at = 0; at < list.length; at += PIECE) await exec.write(list.subarray(at, at + PIECE));
    for await (const chunk of what.tar) {
      signal.throwIfAborted();
      sent += chunk.length;
      await exec.write(chunk);
    }
    if (sent === 0) await exec.write(EMPTY);
    // An archive has its own end, for engines that have no end of input.
    await exec.endInput().catch(() => undefined);
    await reading;
    signal.throwIfAborted();
    const code = await exec.exit();
    if (code === 0) return;
    const said = Buffer.concat(words).toString().trim();
    throw new SessionFailure("COPY_FAILED", said || `tar ended with ${code}`);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", cut);
    exec.cut();
  }
}

import { LIMITS } from "#protocol/limits.ts";
import type { FileEntry, ListParameters } from "#protocol/live.ts";
import type { ContainerExec } from "../container-exec.ts";
import { SessionFailure, type SessionOptions } from "../pod-sessions.ts";
import { LIST } from "./file-texts.ts";
import { linesOf } from "./lines.ts";
import { Listing } from "./listing.ts";
import { stdoutOf } from "./stdout.ts";

/** A quoted path and a quoted link's target, four characters a byte, and what stands before them. */
const LINE = 4 * 2 * LIMITS.pathBytes + 1024;

/** Entries as \`ls\` finds them, in its order; see PodSessions.list. @throws SessionFailure */
export async function* listFiles(
  engine: ContainerExec,
  run: string,
  what: ListParameters,
  { signal, defaultWorkdir = "" }: SessionOptions,
): AsyncGenerator<FileEntry> {
  if (what.path.includes("\0")) throw unreadable();
  const argv = ["/bin/sh", "-c", LIST, "sh", defaultWorkdir, what.recursive ? "R" : "", what.path || "./"];
  const exec = await engine.start(run, { argv, as: what.as, terminal: false }, signal);
  const late = AbortSignal.timeout(LIMITS.liveListMs);
  const cut = () => exec.cut();
  for (const end of [signal, late]) end.addEventListener("abort", cut, { once: true });
  try {
    const listing = new Listing(what.recursive);
    let [entries, lines] = [0, 0];
    for await (const line of linesOf(stdoutOf(exec.output), LINE)) {
      if (signal.aborted || late.aborted) break;
      lines++;
      const entry = listing.entryOf(line);
      if (!entry) continue;
      yield entry;
      if (++entries >= LIMITS.listEntries) return;
    }
    signal.throwIfAborted();
    if (late.aborted) return;
    // what it was read of may have broken off
    const code = await exec.exit();
    if (lines === 0 && code !== 0) throw unreadable();
  } catch (error) {
    signal.throwIfAborted();
    // its streams were closed under it
    if (!late.aborted) throw error;
  } finally {
    for (const end of [signal, late]) end.removeEventListener("abort", cut);
    exec.cut();
  }
}

export function unreadable(): SessionFailure {
  return new SessionFailure("FILE_UNREADABLE", "file not found or insufficient permissions");
}

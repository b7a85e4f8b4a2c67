import { readFileSync } from "node:fs";

/**
 * Counts what a process reads from now on; the function returned gives the read calls it made since and the
 * bytes they brought.
 */
export function watchReads(pid: number): () => { calls: number; bytes: number } {
  const now = () => {
    const io = readFileSync(`/proc/${pid}/io`, "utf8");
    const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(io)?.[1]);
    return { calls: field("syscr"), bytes: field("rchar") };
  };
  const before = now();
  return () => {
    const after = now();
    return { calls: after.calls - before.calls, bytes: after.bytes - before.bytes };
  };
}

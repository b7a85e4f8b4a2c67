import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";

export type EntryBeneath = { at: Buffer; entry: Dirent<Buffer>; size: number; blocks: number };

/**
 * The regular files and the directories beneath a directory; links are neither listed nor followed. Paths are bytes,
 * as a name need not be text. What vanishes meanwhile is left out.
 * @throws the signal's reason
 */
export async function* entriesBeneath(root: string, signal: AbortSignal): AsyncGenerator<EntryBeneath> {
  const waiting = [Buffer.from(root)];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    signal.throwIfAborted();
    const entries = (await readdir(directory, { withFileTypes: true, encoding: "buffer" }).catch(gone)) ?? [];
    for (const entry of entries) {
      if (!entry.isFile() && !entry.isDirectory()) continue;
      signal.throwIfAborted();
      const at = Buffer.concat([directory, Buffer.from("/"), entry.name]);
      const stats = await lstat(at).catch(gone);
      if (!stats) continue;
      if (stats.isDirectory()) waiting.push(at);
      yield { at, entry, size: stats.size, blocks: stats.blocks };
    }
  }
}

function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
}

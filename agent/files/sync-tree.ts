import fs from "node:fs/promises";
import path from "node:path";

/**
 * Waits until a tree that nobody else writes is on the disk: its files, then each directory. Links are not followed.
 * @throws the signal's reason
 */
export async function syncTree(directory: string, signal: AbortSignal): Promise<void> {
  for (const entry of await fs.readdir(directory, { withFileTypes: true })) {
    signal.throwIfAborted();
    const at = path.join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(at, signal);
    else if (entry.isFile()) await syncOne(at);
  }
  await syncOne(directory);
}

async function syncOne(at: string): Promise<void> {
  await using handle = await fs.open(at, "r");
  await handle.sync();
}

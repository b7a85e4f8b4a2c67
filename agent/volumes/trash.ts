import fs from "node:fs";
import { Directory } from "../files/directory.ts";
import type { EntryName } from "../files/entry-name.ts";
import { removeTree } from "../files/remove-tree.ts";

/**
 * Where deleted entries are moved first: one rename removes them from the volume atomically, and deleting their
 * contents may take long or be interrupted. No pod can reach it by a path.
 */
export class Trash {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  /**
   * Moves `name` of `from` here as `id`; durable when it returns.
   * @throws ENOENT, EEXIST (there is something with that id already), EBUSY, EXDEV (a mount)
   */
  take(from: Directory, name: EntryName, id: string): void {
    using trash = Directory.open(this.#path);
    move(from, name, trash, id);
    trash.sync();
    from.sync();
  }

  /**
   * The same for several entries of `from`, without waiting for the disk: after a power cut they may be where they were.
   * A missing entry is no error.
   * @param ids by name
   */
  takeAll(from: Directory, ids: ReadonlyMap<string, string>): void {
    using trash = Directory.open(this.#path);
    for (const [name, id] of ids) if (from.has(name)) move(from, name, trash, id);
  }

  has(id: string): boolean {
    using trash = Directory.open(this.#path);
    return trash.has(id);
  }

  /**
   * Deletes what is here under `id`; a missing entry is no error.
   * @throws the signal's reason: the next {@link sweep} deletes the rest
   */
  async empty(id: string, signal?: AbortSignal): Promise<void> {
    using trash = Directory.open(this.#path);
    await removeTree(trash, id, signal);
  }

  /**
   * Deletes what earlier processes of the agent left, except what belongs to the commands in `keep`. It considers
   * only what is here when it is called, so it may run beside new commands.
   * @param failed called for each entry that could not be deleted; the others are still deleted
   */
  async sweep(
    keep: ReadonlySet<string>,
    signal: AbortSignal,
    failed: (name: string, error: unknown) => void,
  ): Promise<void> {
    using trash = Directory.open(this.#path);
    for (const name of trash.names()) {
      if (keep.has(name)) continue;
      try {
        await removeTree(trash, name, signal);
      } catch (error) {
        if (signal.aborted) return;
        failed(name, error);
      }
    }
  }
}

function move(from: Directory, name: EntryName, trash: Directory, id: string): void {
  if (trash.has(id)) throw Object.assign(new Error(`${id} is in the trash already`), { code: "EEXIST" });
  from.rename(name, trash, id);
}

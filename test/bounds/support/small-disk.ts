import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MiB } from "#protocol/limits.ts";

/** A file system of its own, in memory and as large as it is full. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Undefined where nobody may mount. `size` in bytes, `files` as many as it can hold at most. */
  static make(size: number, files = 0): SmallDisk | undefined {
    const path = mkdtempSync(join(tmpdir(), "perigee-disk-"));
    try {
      execFileSync(
        "mount",
        ["-t", "tmpfs", "-o", `size=${size},nr_inodes=${files},mode=755`, "tmpfs", path],
        {
          stdio: "ignore",
        },
      );
      return new SmallDisk(path);
    } catch {
      rmdirSync(path);
      return undefined;
    }
  }

  /** bytes */
  get free(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Fills it up until so many bytes are left; {@link empty} takes that back. */
  fillTo(left: number): void {
    this.empty();
    const bytes = this.free - left;
    if (bytes > 0) writeFileSync(this.#filler, Buffer.alloc(Math.min(bytes, 256 * MiB)));
  }

  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  remove(): void {
    execFileSync("umount", [this.path]);
    rmdirSync(this.path);
  }

  get #filler(): string {
    return join(this.path, "filler");
  }
}

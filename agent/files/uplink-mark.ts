import fs from "node:fs";

/** A group that nothing else on the edge has. */
const UPLINK_GROUP = 0x5045_5247;
/** What an uplink gives to files and directories: whatever user a payload runs as, it can work with them. */
export const UPLINK_MODE = 0o777;

/**
 * Marks an open file or directory as made by an uplink. HTTP brings no permissions, so it gets all of them
 * ({@link UPLINK_MODE}), which then says nothing of what its owner wants in an image. Where groups cannot be given,
 * it stays unmarked.
 */
export function markUplinked(fd: number): void {
  try {
    fs.fchownSync(fd, -1, UPLINK_GROUP);
  } catch {
    // a file system without owners, or an agent that is not root
  }
}

/** Does it still have the permissions that an uplink gave it? */
export function hasUplinkMode(stats: { mode: bigint; gid: bigint }): boolean {
  return Number(stats.gid) === UPLINK_GROUP && (Number(stats.mode) & 0o7777) === UPLINK_MODE;
}

import fs from "node:fs";

/** A group id that nothing else on the edge uses. */
const UPLINK_GROUP = 0x5045_5247;
/** Mode of uplinked files and directories: a payload can use them whatever user it runs as. */
export const UPLINK_MODE = 0o777;

/**
 * Marks an open file or directory as made by an uplink. HTTP carries no permissions, so it gets all of them
 * ({@link UPLINK_MODE}); the mark tells that this mode is not what its owner wants in an image. Where the group cannot
 * be changed, it stays unmarked.
 */
export function markUplinked(fd: number): void {
  try {
    fs.fchownSync(fd, -1, UPLINK_GROUP);
  } catch {
    // the file system has no owners, or the agent is not root
  }
}

/** Is it marked, and does it still have the mode that an uplink gave it? */
export function hasUplinkMode(stats: { mode: bigint; gid: bigint }): boolean {
  return Number(stats.gid) === UPLINK_GROUP && (Number(stats.mode) & 0o7777) === UPLINK_MODE;
}

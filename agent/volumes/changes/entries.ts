import type { BigIntStats } from "node:fs";
import { etagOf } from "../validators.ts";

/**
 * What a downlink of a directory has sent: of each path (one character per byte) what the file or directory was like.
 * `f…`: a file, `d…`: a directory.
 */
export type Entries = Map<string, string>;

/** ms after a write from which on another write is visible in a file's times. */
const TICK_MS = 20;
/** In place of what a file was like, when it may have been written to unseen: it equals nothing. */
const UNSURE = "?";

type Stats = Pick<BigIntStats, "ino" | "size" | "mtimeNs" | "ctimeNs" | "ctimeMs" | "mode">;

/** What a file is like: any write, and any change of its permissions, gives another. */
export function fileSign(stats: Stats): string {
  return `f${etagOf(stats as BigIntStats)}`;
}

/** The same to be kept, of a file whose content is read after its `stats` were taken. */
export function keptFileSign(stats: Stats): string {
  return Date.now() - Number(stats.ctimeMs) > TICK_MS ? fileSign(stats) : `f${UNSURE}`;
}

/** What a directory is like, apart from what is in it. */
export function directorySign({ mode }: Pick<Stats, "mode">): string {
  return `d${(Number(mode) & 0o7777).toString(8)}`;
}

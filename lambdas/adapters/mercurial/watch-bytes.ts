import { setTimeout as sleep } from "node:timers/promises";
import { entriesBeneath } from "./entries-beneath.ts";

const PAUSE_MS = 100;

/**
 * Counts what lies on disk beneath a directory, one walk after the other.
 * @returns true when it is over `most` bytes; false when the signal has ended the watch
 */
export async function watchBytes(root: string, most: number, signal: AbortSignal): Promise<boolean> {
  try {
    while (!(await isOver(root, most, signal))) await sleep(PAUSE_MS, undefined, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

async function isOver(root: string, most: number, signal: AbortSignal): Promise<boolean> {
  let sum = 0;
  for await (const { blocks } of entriesBeneath(root, signal)) {
    sum += blocks * 512;
    if (sum > most) return true;
  }
  return false;
}

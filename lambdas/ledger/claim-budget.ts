import { KiB, LIMITS } from "#protocol/limits.ts";
import type { Command } from "./command.ts";

/** Bytes of a claimed command beside its input. */
const BESIDE_INPUT = 1 * KiB;
/** Bytes of the largest command. */
export const LARGEST_COMMAND = LIMITS.inputBytes + BESIDE_INPUT;

/** Bytes that a claimed command takes in an answer, about. */
export function claimBytes({ input }: Command): number {
  return Buffer.byteLength(JSON.stringify(input) ?? "") + BESIDE_INPUT;
}

/** How many of the first commands take at most `bytes` together. */
export function fitting(commands: readonly (Command | undefined)[], bytes: number): number {
  let left = bytes;
  const over = commands.findIndex((command) => {
    left -= command ? claimBytes(command) : 0;
    return left < 0;
  });
  return over < 0 ? commands.length : over;
}

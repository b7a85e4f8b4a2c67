/** Priorities of commands: `most` goes first. A command without one has `usual`. */
export const PRIORITY = { least: 0, most: 9, usual: 5 } as const;

/** What a user may ask for, as the operator says; within {@link PRIORITY}. */
export type PriorityBounds = { least: number; most: number };

/** The priority of a command for which none was asked: the usual one, as far as its user may have it. */
export function usualPriority({ least, most }: PriorityBounds = PRIORITY): number {
  return Math.min(most, Math.max(least, PRIORITY.usual));
}

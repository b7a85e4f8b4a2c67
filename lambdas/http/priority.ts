import { PerigeeError } from "#protocol/errors.ts";
import { PRIORITY, type PriorityBounds, usualPriority } from "#protocol/priority.ts";

/**
 * Reads `Perigee-Priority`: a digit, within what the operator lets the user have. Without the header it is the usual one,
 * or the one next to it that the user may have.
 * @throws INVALID_PARAMETERS
 */
export function readPriority(header: string | undefined, bounds: PriorityBounds = PRIORITY): number {
  if (header === undefined) return usualPriority(bounds);
  const text = header.trim();
  const rule = `must be a whole number from ${bounds.least} to ${bounds.most}`;
  const priority = Number(text);
  if (/^\d$/.test(text) && priority >= bounds.least && priority <= bounds.most) return priority;
  throw new PerigeeError("INVALID_PARAMETERS", `Perigee-Priority: ${rule}`);
}

import type { DialectCore } from "../core.ts";

/** A round that has less time left (ms) ends. */
const LAST_MS = 30_000;

/** Is there too little time left for the janitor's round to begin something more? */
export function isLate({ timeLeftMs }: DialectCore): boolean {
  return (timeLeftMs?.() ?? Number.POSITIVE_INFINITY) < LAST_MS;
}

/** `npm run test:long` (PERIGEE_LONG=1): every generated history in its full length, every suite on every adapter. */
export const LONG = process.env.PERIGEE_LONG === "1";

/** @returns `full` in a long run, else the fixed share of it that every run takes */
export function share(full: number, always: number): number {
  return LONG ? full : always;
}

/**
 * Parameters of fast-check that play one generated history again: a failure names its seed and path, and
 * `PERIGEE_REPLAY=<seed>:<path>` replays it (without a path: the whole run of that seed).
 *
 * @example
 * // PERIGEE_REPLAY=1418437404:12:0:3 npm test -- test/faults/joint-histories.test.ts
 */
export function replayed(text = process.env.PERIGEE_REPLAY): {
  seed?: number;
  path?: string;
  endOnFailure?: boolean;
  markInterruptAsFailure?: boolean;
} {
  if (!text) return {};
  const [seed, ...path] = text.split(":");
  if (path.length === 0) return { seed: Number(seed) };
  // where it passes, its neighbours are played for as long as there is time
  return { seed: Number(seed), path: path.join(":"), endOnFailure: true, markInterruptAsFailure: false };
}

/** The pause after `failures` failures (0 after the first one), in ms: doubles from `first` up to `most`. */
export function doublingMs(first: number, most: number, failures: number): number {
  return Math.min(most, first * 2 ** Math.min(failures, 30));
}

/**
 * The same with jitter, a random half to whole of it, so that many who failed together do not come back together.
 * @param random 0 to 1
 */
export function backoffMs(first: number, most: number, failures: number, random = Math.random): number {
  return doublingMs(first, most, failures) * (0.5 + random() / 2);
}

/** Most that a client's clock may differ from the ground's, in either direction. */
export const MOST_SKEW_MS = 15 * 60_000;

/** `npm run test:long` (PERIGEE_LONG=1): every generated history in its full length, every suite on every adapter. */
export const LONG = process.env.PERIGEE_LONG === "1";

/** @returns `full` in a long run, else the fixed share of it that every run takes */
export function share(full: number, always: number): number {
  return LONG ? full : always;
}

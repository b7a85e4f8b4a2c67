import { PerigeeError } from "#protocol/errors.ts";

/** Of a user on an edge. */
export const MOST = { images: 200, instances: 200, running: 16, volumes: 200 };

/** @throws TOO_MANY_REQUESTS that names the bound */
export function requireRoom(kind: keyof typeof MOST, count: number): void {
  if (count < MOST[kind]) return;
  const what = kind === "running" ? "instances that run or are pending" : kind;
  throw new PerigeeError(
    "TOO_MANY_REQUESTS",
    `there are ${count} ${what} already: at most ${MOST[kind]} on one edge`,
  );
}

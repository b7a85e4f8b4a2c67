import { PerigeeError } from "#protocol/errors.ts";

/** Of a user on an edge; in the hub, of one account. */
export const MOST = { images: 200, instances: 200, running: 16, volumes: 200, hub: 200 };

/** @throws TOO_MANY_REQUESTS that names the bound */
export function requireRoom(kind: keyof typeof MOST, count: number): void {
  if (count < MOST[kind]) return;
  const what = kind === "running" ? "instances that run or are pending" : kind === "hub" ? "images" : kind;
  const where = kind === "hub" ? "in the hub" : "on one edge";
  throw new PerigeeError(
    "TOO_MANY_REQUESTS",
    `there are ${count} ${what} already: at most ${MOST[kind]} ${where}`,
  );
}

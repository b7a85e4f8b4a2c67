import { PerigeeError } from "#protocol/errors.ts";

/** Of a user on an edge; in the hub, of an account. Pushes take hours over a slow link, and leave places to others. */
export const MOST = { images: 200, instances: 200, running: 16, volumes: 200, hub: 200, pushes: 4 };

const WORDS: Partial<Record<keyof typeof MOST, string>> = {
  running: "instances that run or are pending",
  hub: "images in the hub",
  pushes: "pushes under way",
};

/** @throws TOO_MANY_REQUESTS that names the bound */
export function requireRoom(kind: keyof typeof MOST, count: number): void {
  if (count < MOST[kind]) return;
  const where = kind === "hub" || kind === "pushes" ? "of one account" : "on one edge";
  throw new PerigeeError(
    "TOO_MANY_REQUESTS",
    `there are ${count} ${WORDS[kind] ?? kind} already: at most ${MOST[kind]} ${where}`,
  );
}

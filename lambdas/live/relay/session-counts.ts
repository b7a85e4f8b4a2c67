import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { SessionOf } from "./relay-session.ts";

type Counted = Pick<SessionOf, "user" | "edge" | "target">;

/** Counts open sessions by edge, by user and by runner. */
export class SessionCounts {
  readonly #counts = new Map<string, number>();

  /** Is there room for one more? */
  hasRoom(of: Counted): boolean {
    return boundsOf(of).every(([key, most]) => (this.#counts.get(key) ?? 0) < most);
  }

  add(of: Counted): void {
    for (const [key] of boundsOf(of)) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  remove(of: Counted): void {
    for (const [key] of boundsOf(of)) {
      const left = (this.#counts.get(key) ?? 0) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    }
  }
}

function boundsOf({ edge, user, target }: Counted): [key: string, most: number][] {
  const bounds: [string, number][] = [
    [`edge ${edge}`, LIVE_LIMITS.perEdge],
    [`user ${user}`, LIVE_LIMITS.perUser],
  ];
  if ("runner" in target) bounds.push([`runner ${target.runner}`, LIVE_LIMITS.perRunner]);
  return bounds;
}

/**
 * A resource of the edge as a command uses it. `key` names it over all users; `name` is what its user is told of it.
 * `read` and `write` are the two sides of a lock; `place` is one of `places` holders of a counted resource, whose last
 * free place is left to users that hold none where the use `leavesLast`.
 */
export type ResourceUse =
  | { readonly key: string; readonly name: string; readonly mode: "read" | "write" }
  | {
      readonly key: string;
      readonly name: string;
      readonly mode: "place";
      readonly places: number;
      readonly leavesLast?: boolean;
    };

/**
 * When a command was claimed: epoch and turn of the claim that handed it out first, and its number within that claim.
 * The earlier one gets what both want.
 */
export type ClaimOrder = readonly [epoch: number, turn: number, n: number];

/** A command that wants resources. */
export type ResourceRequest = {
  readonly id: string;
  readonly order: ClaimOrder;
  readonly lane: string;
  readonly user: string;
  /** one of the user's queues within the lane, for example a pipeline */
  readonly group?: string;
  readonly uses: readonly ResourceUse[];
  /** keeps its place in the order, and gets nothing before it is said to be ready */
  readonly unready?: boolean;
  /** while it is unready it keeps no place: others get what it wants */
  readonly aside?: boolean;
  /** had all of it in an earlier life, and still works with it: it is not to wait for it again */
  readonly had?: boolean;
};

/** Less than 0 when `a` was claimed before `b`. */
export function compareOrder(a: ClaimOrder, b: ClaimOrder): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** Each resource once: who reads and writes one writes it. */
export function withoutRepeats(uses: readonly ResourceUse[]): ResourceUse[] {
  const byKey = new Map<string, ResourceUse>();
  for (const use of uses) {
    const known = byKey.get(use.key);
    if (known === undefined || (known.mode === "read" && use.mode === "write")) byKey.set(use.key, use);
  }
  return [...byKey.values()];
}

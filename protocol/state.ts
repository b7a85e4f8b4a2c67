/** States of a command (docs/architecture.md, "The way of one command"). */
export const STATES = [
  "staging",
  "queued",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const;
export type State = (typeof STATES)[number];
export type TerminalState = "succeeded" | "failed" | "cancelled" | "expired";

const NEXT: Record<State, readonly State[]> = {
  // A refused or abandoned upload ends from `staging`; it was never queued.
  staging: ["queued", "cancelled", "expired", "failed"],
  // A queued one fails when its edge gets an agent that does not know the operation.
  queued: ["running", "cancelled", "expired", "failed"],
  running: ["succeeded", "failed", "cancelled"],
  succeeded: [],
  failed: [],
  cancelled: [],
  expired: [],
};

/** May a command go from `from` to `to`? A terminal state never changes. */
export function canMove(from: State, to: State): boolean {
  return NEXT[from].includes(to);
}

export function isTerminal(state: State): state is TerminalState {
  return NEXT[state].length === 0;
}

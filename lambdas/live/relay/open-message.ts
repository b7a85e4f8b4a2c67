import { groundControl, type OpenMessage } from "#protocol/live-control.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { RelaySession } from "./relay-session.ts";

/** What offers a session to an agent. */
export function openMessageOf({ id, of }: Pick<RelaySession, "id" | "of">): OpenMessage {
  return { type: "open", session: id, user: of.user, target: of.target, request: of.request };
}

/** An agent that cannot read an offer closes its socket: what is out of bounds would take one socket after another. */
export function canBeOffered(open: OpenMessage): boolean {
  return (
    groundControl.safeParse(open).success &&
    Buffer.byteLength(JSON.stringify(open)) <= LIVE_LIMITS.controlBytes
  );
}

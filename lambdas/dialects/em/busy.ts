import { PerigeeError } from "#protocol/errors.ts";
import { LaneBusy } from "../../ledger/lane-busy.ts";

/** The EM's words for a full lane: its own user learns which command holds the edge, others only since when. */
export function busyToUser(error: unknown, user: string): unknown {
  if (!(error instanceof LaneBusy)) return error;
  const since = new Date(error.since).toISOString();
  const data = error.user === user ? { operation: error.operation, since, command_id: error.id } : { since };
  return new PerigeeError("LOCKED", "CG2 is busy", { data: { data } });
}

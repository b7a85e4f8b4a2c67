import { signal } from "@preact/signals";
import { ask, command } from "../api/client.ts";
import type { Command, Entry } from "../api/types.ts";
import { ended } from "./ended.ts";
import { edgeCommands, refresh } from "./live.ts";

export type Listing = { command: string; at: string; truncated: boolean; entries: Entry[] };

/** Volumes as they were last listed, by name. */
export const listings = signal<ReadonlyMap<string, Listing>>(new Map());
/** Those that are being listed. */
export const listing = signal<ReadonlySet<string>>(new Set());

/** The newest listing that the ground still has, without asking the edge. */
export function lastListed(volume: string): Command | undefined {
  return edgeCommands.value.find(
    ({ operation, state, input }) =>
      operation === "volume.list" && state === "succeeded" && input.volume === volume && !input.space,
  );
}

/** Reads what a command listed, if it is newer than what is known. @throws ApiError */
export async function readListing(volume: string, from: Command): Promise<void> {
  const known = listings.peek().get(volume);
  if (known && known.command >= from.command_id) return;
  const response = await ask(`/commands/${encodeURIComponent(from.command_id)}/content`);
  const entries = (await response.json()) as Entry[];
  const { command_id: id, ended_at: at = from.created_at, result = {} } = from;
  listings.value = new Map(listings.peek()).set(volume, {
    command: id,
    at,
    truncated: result.truncated === true,
    entries,
  });
}

/** Asks the edge, and reads what it says. @throws ApiError, or Error with what the edge says */
export async function listAgain(volume: string): Promise<void> {
  listing.value = new Set(listing.peek()).add(volume);
  try {
    const id = await command("/em/files/list", { pod_name: volume });
    await refresh(id);
    const done = await ended(id);
    if (done.state !== "succeeded") throw new Error(done.error?.message ?? `The listing was ${done.state}`);
    await readListing(volume, done);
  } finally {
    const left = new Set(listing.peek());
    left.delete(volume);
    listing.value = left;
  }
}

/** Of another user or edge nothing is known. */
export function forgetListings(): void {
  listings.value = new Map();
}

import { randomUUID } from "node:crypto";
import { agentUpgrade } from "./agent-upgrade.ts";
import { execUpgrade } from "./exec-upgrade.ts";
import type { OpenRelay } from "./open-live.ts";
import { isStillAllowed } from "./relay/is-still-allowed.ts";
import { LiveRelay } from "./relay/live-relay.ts";
import { type RelayPlace, SolePlace, StoredPlace } from "./relay/relay-place.ts";
import { MemorySocketsWanted, type SocketsWanted, StoredSocketsWanted } from "./sockets-wanted.ts";

type Deps = Parameters<OpenRelay>[0];
type Options = Parameters<OpenRelay>[1];

/** The relay of a ground that is this process alone. */
export const soleRelay: OpenRelay = (deps, options) =>
  relayAt(new SolePlace(), new MemorySocketsWanted(deps.now), deps, options);

/** One of several servers of a ground is the relay: this one when it gets the record. */
export const sharedRelay: OpenRelay = (deps, options) => {
  const { store, now, log } = deps;
  const place = new StoredPlace(store, { id: randomUUID(), now, log }, options.tuning?.place);
  const part = relayAt(place, new StoredSocketsWanted(store, now), deps, options);
  return { ...part, start: () => place.start() };
};

function relayAt(place: RelayPlace, wanted: SocketsWanted, deps: Deps, { url, tuning = {} }: Options) {
  const { ledger, accounts, users, resolveEdge, doorbell, tickets, notes, now, log, told } = deps;
  const relay = new LiveRelay(
    {
      ledger,
      place,
      wanted,
      notes,
      doorbell,
      isAllowed: (session) => isStillAllowed(session, { users, resolveEdge }),
      ...(url !== undefined && { url }),
      now,
      log,
      ...(told && { told }),
    },
    tuning.relay,
  );
  const { times, socket } = tuning;
  return {
    relay,
    wanted,
    upgrades: [
      agentUpgrade({ relay, accounts, ledger, log, ...(times && { times }) }),
      execUpgrade({ relay, tickets, users, resolveEdge, log, ...(socket && { socket }) }),
    ],
    start: async () => {},
  };
}

import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { LegTimes } from "#protocol/leg-watch.ts";
import type { Upgrade } from "../http/serve.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Doorbell } from "../ports/doorbell.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import { agentUpgrade } from "./agent-upgrade.ts";
import { execUpgrade } from "./exec-upgrade.ts";
import { SessionNotes } from "./records/session-notes.ts";
import { StoredTickets } from "./records/stored-tickets.ts";
import { LiveRelay, type LiveRelayDeps, type LiveRelayOptions } from "./relay/live-relay.ts";
import { hasRelay, SolePlace, StoredPlace, type StoredPlaceOptions } from "./relay/relay-place.ts";
import type { UserSocketOptions } from "./sockets/user-socket.ts";
import { MemorySocketsWanted, type SocketsWanted, StoredSocketsWanted } from "./sockets-wanted.ts";
import type { LiveTickets } from "./tickets.ts";

export type OpenLiveDeps = {
  store: LedgerStore;
  ledger: Pick<Ledger, "inContact" | "edgeAgent" | "epochOf">;
  accounts: { edgeOfToken(token: string): Promise<string | undefined> };
  resolveEdge(user: string, edge: string): Promise<string>;
  doorbell: Doorbell;
  now: () => number;
  log: Logger;
  told?: LiveRelayDeps["told"];
};

export type LiveOptions = {
  /**
   * `sole`: this process is all of the ground. `shared`: one of several servers is the relay. Absent: none is here
   * (Lambda)
   */
  relay?: "sole" | "shared";
  /** PERIGEE_LIVE_URL: address of the relay for users and agents (default: where they reach this ground) */
  url?: string;
  /** tuning that only tests change */
  tuning?: {
    relay?: LiveRelayOptions;
    place?: StoredPlaceOptions;
    times?: LegTimes;
    socket?: UserSocketOptions;
  };
};

/** A ground's part of live sessions. */
export type Live = {
  tickets: LiveTickets;
  notes: SessionNotes;
  /** undefined where the ground can have no relay: then no claim asks for it */
  wanted?: SocketsWanted;
  relay?: LiveRelay;
  url?: string;
  /** Does this ground have a relay now, here or elsewhere? */
  hasRelay(): Promise<boolean>;
  upgrades: readonly Upgrade[];
  /** Before it serves. */
  start(): Promise<void>;
  close(): Promise<void>;
};

export function openLive(deps: OpenLiveDeps, { relay: where, url, tuning = {} }: LiveOptions): Live {
  const { store, ledger, accounts, now, log } = deps;
  const tickets = new StoredTickets(store, now);
  const notes = new SessionNotes(store);
  const shown = url === undefined ? {} : { url };
  if (where === undefined) {
    return {
      tickets,
      notes,
      ...shown,
      ...(url !== undefined && { wanted: new StoredSocketsWanted(store, now) }),
      hasRelay: async () => url !== undefined && (await hasRelay(store, now())),
      upgrades: [],
      start: async () => {},
      close: async () => {},
    };
  }
  const stored = where === "shared" && new StoredPlace(store, { id: randomUUID(), now, log }, tuning.place);
  const wanted = stored ? new StoredSocketsWanted(store, now) : new MemorySocketsWanted(now);
  const relay = new LiveRelay(
    {
      ledger,
      place: stored || new SolePlace(),
      wanted,
      notes,
      doorbell: deps.doorbell,
      ...shown,
      now,
      log,
      ...(deps.told && { told: deps.told }),
    },
    tuning.relay,
  );
  const { times, socket } = tuning;
  return {
    tickets,
    notes,
    wanted,
    relay,
    ...shown,
    hasRelay: async () => relay.isHere || (url !== undefined && (await hasRelay(store, now()))),
    upgrades: [
      agentUpgrade({ relay, accounts, ledger, log, ...(times && { times }) }),
      execUpgrade({ relay, tickets, resolveEdge: deps.resolveEdge, log, ...(socket && { socket }) }),
    ],
    start: async () => {
      if (stored) await stored.start();
    },
    close: () => relay.close(),
  };
}

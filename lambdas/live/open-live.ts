import type { Logger } from "pino";
import type { LegTimes } from "#protocol/leg-watch.ts";
import type { Upgrade } from "../http/serve.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Doorbell } from "../ports/doorbell.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import { SessionNotes } from "./records/session-notes.ts";
import { StoredTickets } from "./records/stored-tickets.ts";
import { hasRelay } from "./relay/has-relay.ts";
import type { LiveRelay, LiveRelayDeps, LiveRelayOptions } from "./relay/live-relay.ts";
import type { StoredPlaceOptions } from "./relay/relay-place.ts";
import type { UserSocketOptions } from "./sockets/user-socket.ts";
import { type SocketsWanted, StoredSocketsWanted } from "./sockets-wanted.ts";
import type { LiveTickets } from "./tickets.ts";

export type OpenLiveDeps = {
  store: LedgerStore;
  ledger: Pick<Ledger, "inContact" | "edgeAgent" | "epochOf">;
  accounts: { edgeOfToken(token: string): Promise<string | undefined> };
  /** who may have been removed while a session of theirs is open */
  users: { find(name: string): Promise<{ createdAt: number } | undefined> };
  resolveEdge(user: string, edge: string): Promise<string>;
  doorbell: Doorbell;
  now: () => number;
  log: Logger;
  told?: LiveRelayDeps["told"];
};

/** What a server has beside what every process has: the relay, or the chance to become it. */
export type RelayPart = {
  relay: LiveRelay;
  wanted: SocketsWanted;
  upgrades: readonly Upgrade[];
  start(): Promise<void>;
};

export type OpenRelay = (
  deps: OpenLiveDeps & { tickets: LiveTickets; notes: SessionNotes },
  options: Omit<LiveOptions, "relay">,
) => RelayPart;

export type LiveOptions = {
  /** `soleRelay` or `sharedRelay` of open-relay.ts; absent: none is here, and its code is not loaded (Lambda) */
  relay?: OpenRelay;
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

export function openLive(deps: OpenLiveDeps, { relay: open, ...options }: LiveOptions): Live {
  const { store, now } = deps;
  const { url } = options;
  const tickets = new StoredTickets(store, now);
  const notes = new SessionNotes(store);
  const here = open?.({ ...deps, tickets, notes }, options);
  const elsewhere = url === undefined ? undefined : new StoredSocketsWanted(store, now);
  const wanted = here?.wanted ?? elsewhere;
  return {
    tickets,
    notes,
    ...(url !== undefined && { url }),
    ...(wanted && { wanted }),
    ...(here && { relay: here.relay }),
    hasRelay: async () => here?.relay.isHere || (url !== undefined && (await hasRelay(store, now()))),
    upgrades: here?.upgrades ?? [],
    start: async () => here?.start(),
    close: async () => here?.relay.close(),
  };
}

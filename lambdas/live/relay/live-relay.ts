import type { Logger } from "pino";
import type { LiveEnd, LiveFailure } from "#protocol/live.ts";
import { LIVE_FEATURES } from "#protocol/live-control.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { ulid } from "../../ledger/ulid.ts";
import type { Doorbell } from "../../ports/doorbell.ts";
import type { LiveSession, LiveSessions, ReservedPlace } from "../live-sessions.ts";
import type { SessionNote, SessionNotes } from "../records/session-notes.ts";
import type { SocketsWanted } from "../sockets-wanted.ts";
import { EdgeSockets } from "./edge-sockets.ts";
import { canBeOffered, openMessageOf } from "./open-message.ts";
import type { RelayLeg } from "./relay-leg.ts";
import type { RelayPlace } from "./relay-place.ts";
import { RelaySession, type SessionOf } from "./relay-session.ts";
import { SessionCounts } from "./session-counts.ts";

export type LiveRelayDeps = {
  ledger: Pick<Ledger, "inContact" | "edgeAgent" | "epochOf">;
  place: RelayPlace;
  wanted: SocketsWanted;
  notes: SessionNotes;
  doorbell: Doorbell;
  /** Has its user not been removed, nor the edge taken from the user? @throws what the store says */
  isAllowed(session: { user: string; edge: string; began: number }): Promise<boolean>;
  /** the relay's address for agents, where it is another than the ground's own */
  url?: string;
  now: () => number;
  log: Logger;
  /** for metrics */
  told?: {
    opened(): void;
    started(kind: string, ms: number): void;
    ended(session: { kind: string; end: LiveEnd; in: number; out: number }): void;
  };
};

export type LiveRelayOptions = {
  takenMs?: number;
  sessionMs?: number;
  tickMs?: number;
  /** ms after which it is read again whether users may go on (default 10 s, and with a tick) */
  usersMs?: number;
};

type Edge = EdgeSockets & { lastAt?: number; told?: { sockets: number; at: number } };

/** Wishes are told anew after this part of the time for which they stand. */
const TELL_AGAIN_MS = LIVE_LIMITS.spareMs / 2;

/** Joins users and agents: one session, one socket. */
export class LiveRelay implements LiveSessions {
  readonly #deps: LiveRelayDeps;
  readonly #options: Required<LiveRelayOptions>;
  readonly #edges = new Map<string, Edge>();
  readonly #counts = new SessionCounts();
  /** the open ones, with when they were opened, ms since 1970 */
  readonly #began = new Map<RelaySession, number>();
  #lookedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(deps: LiveRelayDeps, options: LiveRelayOptions = {}) {
    this.#deps = deps;
    this.#options = {
      takenMs: LIVE_LIMITS.takenMs,
      sessionMs: LIVE_LIMITS.sessionMs,
      tickMs: 10_000,
      usersMs: 10_000,
      ...options,
    };
    deps.place.onChange((held) => {
      if (!held) this.#endAll("another server is the relay now");
    });
  }

  /** sessions that are open */
  get size(): number {
    return this.#began.size;
  }

  /** Sockets that the edge's agent has open, with and without a session. */
  socketsOf(edge: string): number {
    return this.#edges.get(edge)?.size ?? 0;
  }

  /** May sessions be opened here? */
  get isHere(): boolean {
    return !this.#closed && this.#deps.place.held;
  }

  hasRoom(of: Pick<SessionOf, "user" | "edge" | "target">): boolean {
    return this.#counts.hasRoom(of);
  }

  reserve(of: Pick<SessionOf, "user" | "edge" | "target">): ReservedPlace | undefined {
    if (!this.#counts.hasRoom(of)) return undefined;
    this.#counts.add(of);
    let held = true;
    const giveBack = () => {
      if (held) this.#counts.remove(of);
      held = false;
    };
    const open = (request: SessionOf["request"]) => {
      giveBack();
      return this.open({ ...of, request });
    };
    return { open, giveBack };
  }

  open(of: SessionOf): LiveSession {
    const session = new RelaySession(ulid(this.#deps.now()), of, (one, end) => this.#ended(one, end));
    if (!this.isHere) session.finish(failed("UNREACHABLE", "this server is not the relay"));
    else if (!canBeOffered(openMessageOf(session)))
      session.finish(failed("PROTOCOL", "it asks for too much"));
    else if (!this.#counts.hasRoom(of)) session.finish(failed("TOO_MANY", "too many sessions are open"));
    if (session.isOver) return session;
    this.#counts.add(of);
    const began = this.#deps.now();
    this.#began.set(session, began);
    this.#deps.told?.opened();
    const openedAt = performance.now();
    void session.started.then(() => {
      this.#deps.told?.started(of.request.kind, performance.now() - openedAt);
    });
    const note = { edge: of.edge, kind: of.request.kind, target: of.target, began };
    const late = setTimeout(
      () => session.finish(failed("UNREACHABLE", "no agent took the session in time")),
      this.#options.takenMs,
    );
    const tooLong = setTimeout(() => {
      session.finish(failed("SESSION_TOO_LONG", "the session was open for as long as one may be"));
      session.close();
    }, this.#options.sessionMs);
    let noted = Promise.resolve();
    const noteNow = (what: SessionNote) => {
      noted = noted.then(() => this.#note(of.user, session.id, what));
    };
    session.onTaken(() => {
      clearTimeout(late);
      noteNow(note);
    });
    session.onOver((end) => {
      clearTimeout(late);
      clearTimeout(tooLong);
      // not before: who reads slowly what has ended holds its socket and its output for as long
      this.#counts.remove(of);
      const { in: bytesIn, out: bytesOut } = session.bytes;
      noteNow({ ...note, ended: this.#deps.now(), end: shown(end), bytesIn, bytesOut });
    });
    this.#begin(session).catch((error: unknown) => {
      this.#deps.log.error({ err: error }, "a live session could not be opened");
      session.finish(failed("UNREACHABLE", "the session could not be opened"));
    });
    return session;
  }

  /** A socket that an agent has opened; its token and epoch are checked. */
  accept(edge: string, leg: RelayLeg): void {
    if (!this.isHere || this.#edge(edge).size >= LIVE_LIMITS.perEdge + 4 * LIVE_LIMITS.spares)
      leg.close(1013);
    else this.#edge(edge).add(leg);
  }

  /** Ends all sessions, and all sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#endAll("the ground is stopping");
    await this.#deps.place.close();
  }

  async #begin(session: RelaySession): Promise<void> {
    const { edge: id, target, request } = session.of;
    const { ledger } = this.#deps;
    const [contact, agent, epoch] = await Promise.all([
      ledger.inContact(id),
      ledger.edgeAgent(id),
      ledger.epochOf(id),
    ]);
    if (session.isOver) return;
    const edge = this.#edge(id);
    edge.superseded(epoch);
    if (!contact && !edge.hasWaiting) {
      session.finish(failed("UNREACHABLE", "the edge is not in contact"));
      return;
    }
    const features = agent?.features ?? [];
    const ofPods = request.kind === "exec" ? LIVE_FEATURES.exec : LIVE_FEATURES.live;
    const needed = [LIVE_FEATURES.live, "pod" in target ? ofPods : RUNNERS_FEATURE];
    if (!needed.every((feature) => features.includes(feature))) {
      session.finish(failed("UNSUPPORTED", "the edge does not offer it"));
      return;
    }
    edge.lastAt = this.#deps.now();
    edge.enqueue(session);
    const waits = edge.queued > 0;
    await this.#tellWish(id, edge);
    if (waits) await this.#deps.doorbell.ring(id);
  }

  /** A session that runs, or may be taken, does not end for that; told again with the next tick. */
  async #tellWish(id: string, edge: Edge): Promise<void> {
    try {
      await this.#wish(id, edge);
    } catch (error) {
      delete edge.told;
      this.#deps.log.warn({ err: error }, "the wish for live sockets could not be told");
    }
  }

  /** Tells how many sockets are wanted, when that has changed. */
  async #wish(id: string, edge: Edge): Promise<void> {
    const now = this.#deps.now();
    const used = edge.lastAt !== undefined && now - edge.lastAt < LIVE_LIMITS.spareMs;
    const sockets = edge.queued + (used ? LIVE_LIMITS.spares : 0);
    const fresh = edge.told && now - edge.told.at < TELL_AGAIN_MS;
    if (edge.told?.sockets === sockets && (fresh || sockets === 0)) return;
    edge.told = { sockets, at: now };
    this.#timer ??= setInterval(() => void this.#tick(), this.#options.tickMs);
    const { url, wanted } = this.#deps;
    await wanted.want(id, { sockets, ...(url !== undefined && { url }) }, LIVE_LIMITS.spareMs);
  }

  async #tick(): Promise<void> {
    const now = this.#deps.now();
    if (Math.abs(now - this.#lookedAt) >= this.#options.usersMs) {
      this.#lookedAt = now;
      await this.#endForbidden();
    }
    for (const [id, edge] of this.#edges) {
      await this.#tellWish(id, edge);
      if (edge.size === 0 && edge.queued === 0 && edge.told?.sockets === 0) this.#edges.delete(id);
    }
    if (this.#edges.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Ends what users have open who were removed, or who may not use its edge any more. */
  async #endForbidden(): Promise<void> {
    const oldestFirst = [...this.#began].sort(([, a], [, b]) => a - b);
    const places = Map.groupBy(oldestFirst, ([{ of }]) => JSON.stringify([of.user, of.edge]));
    const ends = [...places.values()].map(async (sessions) => {
      for (const [session, began] of sessions) {
        const { user, edge } = session.of;
        // what holds for the user's oldest session there holds for all: one read for as many as there are
        if (await this.#deps.isAllowed({ user, edge, began })) return;
        session.finish(failed("STOPPED", "its user was removed, or may not use this edge any more"));
        session.close();
      }
    });
    await Promise.all(ends).catch((error: unknown) => {
      this.#deps.log.warn({ err: error }, "whether live sessions may go on could not be read");
    });
  }

  #edge(id: string): Edge {
    const known = this.#edges.get(id) ?? new EdgeSockets();
    this.#edges.set(id, known);
    return known;
  }

  #ended(session: RelaySession, end: LiveEnd): void {
    if (!this.#began.delete(session)) return;
    const { of, bytes } = session;
    this.#edges.get(of.edge)?.forget(session);
    this.#deps.told?.ended({ kind: of.request.kind, end, ...bytes });
  }

  #endAll(why: string): void {
    for (const session of [...this.#began.keys()]) session.finish(failed("UNREACHABLE", why));
    for (const edge of this.#edges.values()) edge.close();
    this.#edges.clear();
  }

  #note(user: string, id: string, note: SessionNote): Promise<void> {
    return this.#deps.notes.note(user, id, note).catch((error: unknown) => {
      this.#deps.log.warn({ err: error }, "a live session could not be noted");
    });
  }
}

function failed(code: LiveFailure, message: string): LiveEnd {
  return { type: "error", code, message };
}

/** Messages may quote what a user's program or file is called: the notes have the code alone. */
function shown(end: LiveEnd): LiveEnd {
  return end.type === "error" ? { ...end, message: "" } : end;
}

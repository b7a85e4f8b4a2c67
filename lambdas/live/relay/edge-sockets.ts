import { afterInput } from "#protocol/after-input.ts";
import type { LiveEnd } from "#protocol/live.ts";
import { LiveTraffic } from "#protocol/live-traffic.ts";
import { openMessageOf } from "./open-message.ts";
import type { RelayLeg } from "./relay-leg.ts";
import type { RelaySession } from "./relay-session.ts";

/**
 * The sockets of one edge that wait for a session, and the sessions that wait for a socket. A session is offered on one
 * socket after another until one of them says `ready`; then `go` is sent, once, and never again.
 */
export class EdgeSockets {
  readonly traffic = new LiveTraffic();
  readonly #waiting: RelayLeg[] = [];
  readonly #queue: RelaySession[] = [];
  readonly #legs = new Set<RelayLeg>();
  /** the highest epoch that a socket was accepted of */
  #epoch = 0;
  /** how often a session was offered */
  readonly #offers = new WeakMap<RelaySession, number>();

  /** sockets of all kinds */
  get size(): number {
    return this.#legs.size;
  }

  /** sessions that wait for a socket */
  get queued(): number {
    return this.#queue.length;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** A new socket of the agent. Those of earlier agents end, with their sessions. */
  add(leg: RelayLeg): void {
    this.superseded(leg.epoch);
    if (leg.epoch < this.#epoch) {
      leg.close();
      return;
    }
    this.#legs.add(leg);
    leg.closed.addEventListener("abort", () => {
      this.#legs.delete(leg);
      remove(this.#waiting, leg);
    });
    this.#waiting.push(leg);
    this.#match();
  }

  /** An agent of this epoch serves the edge: sockets of earlier ones are cut. */
  superseded(epoch: number): void {
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    for (const leg of [...this.#legs]) if (leg.epoch < epoch) leg.cut();
  }

  /** A session that waits for a socket. */
  enqueue(session: RelaySession): void {
    this.#queue.push(session);
    this.#match();
  }

  /** It has ended: it waits no more. */
  forget(session: RelaySession): void {
    remove(this.#queue, session);
  }

  close(): void {
    for (const leg of [...this.#legs]) leg.close(1001);
  }

  #match(): void {
    while (this.#queue.length > 0 && this.#waiting.length > 0) {
      const leg = this.#waiting.shift()!;
      if (leg.closed.aborted) continue;
      this.#offer(leg, this.#queue.shift()!);
    }
  }

  #offer(leg: RelayLeg, session: RelaySession): void {
    const { kind } = session.of.request;
    const offers = (this.#offers.get(session) ?? 0) + 1;
    this.#offers.set(session, offers);
    let went = false;
    const again = () => {
      inTime();
      if (went || session.isOver) return;
      if (offers >= MOST_OFFERS) {
        session.finish(NOT_TAKEN);
        return;
      }
      this.#queue.unshift(session);
      this.#match();
    };
    // the agent may have died, or this socket alone
    const inTime = afterInput(leg.readyMs, () => leg.cut());
    leg.offer(openMessageOf(session), {
      ready: () => {
        inTime();
        if (session.isOver) {
          leg.close();
          return;
        }
        went = true;
        void leg.tell({ type: "go" });
        session.took(leg);
      },
      started: (size) => session.begun(size),
      end: (end) => {
        inTime();
        session.finish(end);
      },
      lost: () => (went ? session.finish(LOST) : again()),
      moved: () => this.traffic.moved(kind),
      window: () => this.traffic.window(kind),
    });
  }
}

const LOST: LiveEnd = { type: "error", code: "UNREACHABLE", message: "contact with the edge was lost" };

/** A session takes no more sockets than so many from those that wait behind it. */
const MOST_OFFERS = 16;
const NOT_TAKEN: LiveEnd = { type: "error", code: "UNREACHABLE", message: "no agent took the session" };

function remove<T>(list: T[], one: T): void {
  const at = list.indexOf(one);
  if (at >= 0) list.splice(at, 1);
}

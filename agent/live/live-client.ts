import type { LegTimes } from "#protocol/leg-watch.ts";
import type { LiveWish } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { LiveTraffic } from "#protocol/live-traffic.ts";
import { later } from "../background.ts";
import { Backoff } from "../backoff.ts";
import { type LiveSessionDeps, serveSocket } from "./live-session.ts";
import { type LiveAddress, type LiveSocket, openLiveSocket } from "./live-socket.ts";

export type LiveClientDeps = Omit<LiveSessionDeps, "traffic"> & {
  /** of the ground, which is the relay where it names no other */
  ground: { url: string; token: string };
  epoch(): number;
};

export type LiveClientOptions = {
  times?: LegTimes;
  /** ms that a closing agent leaves its sessions for ending what they run (default 5 s) */
  graceMs?: number;
  /** ms before a socket is opened anew after one failed or was closed unused: first, most (default 200, 10,000) */
  backoffMs?: [first: number, most: number];
};

/** Sockets at the same time, with or without a session. */
const MOST = LIVE_LIMITS.perEdge + 2 * LIVE_LIMITS.spares;
/** A socket that waited this long (ms) shows that the relay is well. */
const WELL_MS = 5_000;

/**
 * Keeps as many sockets open towards the relay as the ground wishes, and serves on each the one session that it is
 * offered. Before the first wish there is no socket and no timer.
 */
export class LiveClient {
  readonly #deps: LiveClientDeps & { traffic: LiveTraffic };
  readonly #options: LiveClientOptions;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  #wish: LiveWish = { sockets: 0 };
  /** sockets without a session, those that are being opened included */
  readonly #waiting = new Set<{ url: string; socket?: LiveSocket }>();
  readonly #sessions = new Set<LiveSocket>();
  readonly #served = new Set<Promise<void>>();
  #pausing = false;

  constructor(deps: LiveClientDeps, options: LiveClientOptions = {}) {
    this.#deps = { ...deps, traffic: new LiveTraffic() };
    this.#options = options;
    this.#backoff = new Backoff(...(options.backoffMs ?? []));
  }

  /** What the ground says in the answers to claims and heartbeats; nothing said is nothing wished. */
  wished(wish: LiveWish | undefined): void {
    this.#wish = wish ?? { sockets: 0 };
    this.#fit();
  }

  /** Ends every session, and what runs in it, as if its user had gone. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const { socket } of this.#waiting) socket?.close();
    for (const socket of this.#sessions) socket.close();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#options.graceMs ?? 5_000);
    await Promise.race([Promise.all(this.#served), late]);
    clearTimeout(timer);
  }

  #fit(): void {
    if (this.#closing.signal.aborted) return;
    const url = this.#wish.url ?? this.#deps.ground.url;
    for (const one of [...this.#waiting]) {
      const surplus = this.#waiting.size > this.#wish.sockets;
      if (one.socket && (surplus || one.url !== url)) {
        this.#waiting.delete(one);
        one.socket.close();
      }
    }
    while (
      !this.#pausing &&
      this.#waiting.size < this.#wish.sockets &&
      this.#waiting.size + this.#sessions.size < MOST
    ) {
      this.#open(url);
    }
  }

  #open(url: string): void {
    const waiting: { url: string; socket?: LiveSocket } = { url };
    this.#waiting.add(waiting);
    const served = this.#serve(waiting).finally(() => this.#served.delete(served));
    this.#served.add(served);
  }

  async #serve(waiting: { url: string; socket?: LiveSocket }): Promise<void> {
    const { ground, epoch, log } = this.#deps;
    const address: LiveAddress = { url: waiting.url, token: ground.token, epoch: epoch() };
    let taken = false;
    const openedAt = performance.now();
    try {
      const { times } = this.#options;
      const socket = await openLiveSocket(address, { signal: this.#closing.signal, ...(times && { times }) });
      waiting.socket = socket;
      if (this.#closing.signal.aborted) socket.close();
      await serveSocket(socket, this.#deps, () => {
        taken = true;
        this.#waiting.delete(waiting);
        this.#sessions.add(socket);
        this.#fit();
      });
    } catch (error) {
      const closing = this.#closing.signal.aborted;
      if (this.#backoff.tries === 0 && !closing)
        log.warn({ err: error }, "no live socket to the relay: tried again");
    }
    const dropped = this.#waiting.delete(waiting);
    if (waiting.socket) this.#sessions.delete(waiting.socket);
    if (taken || performance.now() - openedAt > WELL_MS) this.#backoff.reset();
    else if (dropped) this.#pause();
    this.#fit();
  }

  /** The relay is away or refuses: no socket is opened for a while. */
  #pause(): void {
    if (this.#pausing || this.#closing.signal.aborted) return;
    this.#pausing = true;
    later("the wait for the relay", this.#deps.log, async () => {
      await this.#backoff.wait(this.#closing.signal);
      this.#pausing = false;
      this.#fit();
    });
  }
}

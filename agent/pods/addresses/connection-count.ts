import type { Socket } from "node:net";

/** Connections at a time, of one user and of all. */
export type ConnectionBounds = { user: number; all: number };

/** Connections that are open now; each takes two descriptors of the agent's. */
export class ConnectionCount {
  readonly #most: ConnectionBounds;
  readonly #byUser = new Map<string, number>();
  #all = 0;

  constructor(most: ConnectionBounds) {
    this.#most = most;
  }

  /** Counts a connection until it is closed. False when there are enough already. */
  take(user: string, socket: Socket): boolean {
    const mine = this.#byUser.get(user) ?? 0;
    if (mine >= this.#most.user || this.#all >= this.#most.all) return false;
    this.#byUser.set(user, mine + 1);
    this.#all++;
    socket.once("close", () => {
      this.#all--;
      const left = (this.#byUser.get(user) ?? 1) - 1;
      if (left > 0) this.#byUser.set(user, left);
      else this.#byUser.delete(user);
    });
    return true;
  }
}

import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { joinSockets } from "../join-sockets.ts";
import type { AddressRange } from "./address-range.ts";

/** What an address is for: a run that runs. `before`: the one that it had, which it gets again if nobody else has it. */
export type Addressed = {
  run: string;
  user: string;
  pod: string;
  ports: readonly number[];
  before?: string | undefined;
  /** Opens a connection to a port of the run. */
  connect(port: number): Promise<Socket>;
};

export type InstanceAddressesOptions = {
  range: AddressRange;
  /** for the operator */
  warn?(message: string): void;
};

/** Addresses that are tried when others of this machine listen at theirs. */
const TRIES = 64;
/** of one port, at a time */
const MOST_CONNECTIONS = 512;
/** What was under way when a run ended has this long to be read. */
const LINGER_MS = 30_000;

type Listening = { address: string; servers: Server[]; open: Set<Socket> };

/**
 * Addresses of this machine, one for each run, at whose ports the agent listens: what connects there is led to the run.
 * No two runs of an agent have the same, and none is given whose ports others of this machine have.
 */
export class InstanceAddresses {
  readonly #options: InstanceAddressesOptions;
  readonly #byRun = new Map<string, Listening>();
  /** being tried or in use */
  readonly #taken = new Set<string>();
  readonly #said = new Set<string>();
  #closed = false;

  constructor(options: InstanceAddressesOptions) {
    this.#options = options;
  }

  /** Listens for a run, as before if it does already. @returns its address; undefined when none is left */
  async give(of: Addressed): Promise<string | undefined> {
    const has = this.#byRun.get(of.run);
    if (has || this.#closed) return has?.address;
    let left = TRIES;
    for (const address of this.#candidates(of)) {
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      left--;
      const listening = await this.#listenAt(address, of, left === 0);
      if (listening && !this.#closed && !this.#byRun.has(of.run)) {
        this.#byRun.set(of.run, listening);
        return address;
      }
      if (listening) shut(listening);
      this.#taken.delete(address);
      if (listening || left === 0) return this.#byRun.get(of.run)?.address;
    }
    this.#warn("no instance gets an address of its own any more: the range is used up");
    return undefined;
  }

  /** The run has ended: its address is free. */
  release(run: string): void {
    const listening = this.#byRun.get(run);
    if (!listening) return;
    this.#byRun.delete(run);
    this.#taken.delete(listening.address);
    shut(listening);
  }

  close(): void {
    this.#closed = true;
    for (const { servers, open } of this.#byRun.values()) {
      for (const server of servers) server.close();
      for (const socket of open) socket.destroy();
    }
    this.#byRun.clear();
  }

  /** The one before, then the same for each run of a pod, as long as nobody else has it. */
  *#candidates({ user, pod, before }: Addressed): Generator<string> {
    const { size, at, has } = this.#options.range;
    if (before !== undefined && has(before)) yield before;
    const first = createHash("sha256").update(`${user} ${pod}`).digest().readUInt32BE(0);
    for (let n = 0; n < size; n++) yield at((first + n) % size);
  }

  /** @param whatever also if others have ports there; @returns undefined when they do */
  async #listenAt(address: string, of: Addressed, whatever: boolean): Promise<Listening | undefined> {
    const listening: Listening = { address, servers: [], open: new Set() };
    for (const port of new Set(of.ports)) {
      const server = this.#serverOf(of, port, listening.open);
      const code = await listen(server, address, port);
      if (code === undefined) {
        listening.servers.push(server);
      } else if (code === "EADDRINUSE" && !whatever) {
        shut(listening);
        return undefined;
      } else {
        this.#warn(`port ${port} of instances is not reached at ${address}: ${code}`, `${port} ${code}`);
      }
    }
    return listening;
  }

  #serverOf({ connect }: Addressed, port: number, open: Set<Socket>): Server {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (from) => {
      open.add(from);
      from.once("close", () => open.delete(from));
      from.once("error", () => from.destroy());
      void this.#lead(from, () => connect(port));
    });
    server.maxConnections = MOST_CONNECTIONS;
    return server;
  }

  async #lead(from: Socket, connect: () => Promise<Socket>): Promise<void> {
    try {
      const to = await connect();
      if (from.destroyed) to.destroy();
      else joinSockets(from, to);
    } catch (error) {
      from.resetAndDestroy();
      const { message } = error as Error;
      this.#warn(`instances are not reached at addresses of their own: ${message}`, message);
    }
  }

  #warn(message: string, kind = message): void {
    if (!this.#said.has(kind)) this.#options.warn?.(message);
    this.#said.add(kind);
  }
}

function shut({ servers, open }: Listening): void {
  for (const server of servers) server.close();
  for (const socket of open) socket.setTimeout(LINGER_MS, () => socket.destroy());
}

/** @returns the error's code when it cannot be listened there */
function listen(server: Server, host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => resolve(undefined));
  });
}

import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { joinSockets } from "../join-sockets.ts";
import type { AddressRange } from "./address-range.ts";
import { type ConnectionBounds, ConnectionCount } from "./connection-count.ts";

/** A running run that needs an address. `before`: its earlier address, which it gets again if that is still free. */
export type Addressed = {
  run: string;
  user: string;
  pod: string;
  ports: readonly number[];
  before?: string | undefined;
  /** Opens a connection to a port of the run; `signal` is aborted when the run ends. */
  connect(port: number, signal: AbortSignal): Promise<Socket>;
};

export type InstanceAddressesOptions = {
  range: AddressRange;
  /** ports that are never listened at: a service of this machine's that listens at all addresses needs them */
  closedPorts?: readonly number[];
  most?: ConnectionBounds;
  /** for the operator */
  warn?(message: string): void;
};

/** Addresses that are tried when others of this machine listen at theirs. */
const TRIES = 64;
const MOST_CONNECTIONS = { user: 512, all: 2048 };
/** TCP keepalive starts after this: a client that vanished is found a few minutes later. */
const KEEP_ALIVE_MS = 60_000;
/** What was under way when a run ended has this long to be read. */
const LINGER_MS = 30_000;

type Listening = { address: string; servers: Server[]; open: Set<Socket>; released: AbortController };

/**
 * Addresses of this machine, one for each run, at whose ports the agent listens: what connects there is led to the run.
 * No two runs of an agent have the same, and none is given whose ports others of this machine have.
 */
export class InstanceAddresses {
  readonly #options: InstanceAddressesOptions;
  readonly #byRun = new Map<string, Listening>();
  /** being tried or in use */
  readonly #taken = new Set<string>();
  readonly #open: ConnectionCount;
  readonly #said = new Set<string>();
  #closed = false;

  constructor(options: InstanceAddressesOptions) {
    this.#options = options;
    this.#open = new ConnectionCount(options.most ?? MOST_CONNECTIONS);
  }

  /** Listens for a run, as before if it does already. @returns its address; undefined when none is left */
  async give(of: Addressed): Promise<string | undefined> {
    const has = this.#byRun.get(of.run);
    if (has || this.#closed) return has?.address;
    const ports = [...new Set(of.ports)].filter((port) => !this.#isClosed(port));
    let left = TRIES;
    let kept: string | undefined;
    try {
      for (const address of this.#candidates(of)) {
        if (this.#taken.has(address)) continue;
        if (left-- === 0) break;
        const listening = await this.#tryAt(address, of, ports, false);
        if (listening !== "busy") return listening;
        if (kept === undefined) {
          kept = address;
          this.#taken.add(address);
        }
      }
    } finally {
      if (kept !== undefined) this.#taken.delete(kept);
    }
    if (kept !== undefined) return (await this.#tryAt(kept, of, ports, true)) as string | undefined;
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
    for (const { servers, open, released } of this.#byRun.values()) {
      released.abort();
      for (const server of servers) server.close();
      for (const socket of open) socket.destroy();
    }
    this.#byRun.clear();
  }

  /** First the earlier address, then all of the range in an order that is the same for every run of a pod. */
  *#candidates({ user, pod, before }: Addressed): Generator<string> {
    const { size, at, has } = this.#options.range;
    if (before !== undefined && has(before)) yield before;
    const first = createHash("sha256").update(`${user} ${pod}`).digest().readUInt32BE(0);
    for (let n = 0; n < size; n++) yield at((first + n) % size);
  }

  /** @returns the address if the run has it now, or has another; "busy" when others listen there */
  async #tryAt(
    address: string,
    of: Addressed,
    ports: readonly number[],
    whatever: boolean,
  ): Promise<string | "busy" | undefined> {
    this.#taken.add(address);
    const listening = await this.#listenAt(address, of, ports, whatever);
    if (typeof listening === "object" && !this.#closed && !this.#byRun.has(of.run)) {
      this.#byRun.set(of.run, listening);
      return address;
    }
    this.#taken.delete(address);
    if (listening === "busy") return "busy";
    if (listening) shut(listening);
    return this.#byRun.get(of.run)?.address;
  }

  /** @param whatever also if others have ports there; @returns undefined when it is listened at none of the ports */
  async #listenAt(
    address: string,
    of: Addressed,
    ports: readonly number[],
    whatever: boolean,
  ): Promise<Listening | "busy" | undefined> {
    const listening: Listening = { address, servers: [], open: new Set(), released: new AbortController() };
    for (const port of ports) {
      const server = this.#serverOf(of, port, listening);
      const code = await listen(server, address, port);
      if (code === undefined) {
        listening.servers.push(server);
      } else if (code === "EADDRINUSE" && !whatever) {
        shut(listening);
        return "busy";
      } else {
        this.#warn(`port ${port} of instances is not reached at ${address}: ${code}`, `${port} ${code}`);
      }
    }
    return listening.servers.length > 0 || of.ports.length === 0 ? listening : undefined;
  }

  #isClosed(port: number): boolean {
    if (!this.#options.closedPorts?.includes(port)) return false;
    this.#warn(`port ${port} of instances is not reached: it is closed by the configuration`);
    return true;
  }

  #serverOf({ user, connect }: Addressed, port: number, { open, released }: Listening): Server {
    const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };
    const alive = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    return createServer({ ...options, ...alive }, (from) => {
      from.once("error", () => from.destroy());
      if (!this.#open.take(user, from)) return from.destroy();
      hold(from, open);
      void this.#lead(from, open, released.signal, () => connect(port, released.signal));
    });
  }

  async #lead(
    from: Socket,
    open: Set<Socket>,
    released: AbortSignal,
    connect: () => Promise<Socket>,
  ): Promise<void> {
    try {
      const to = await connect();
      if (from.destroyed || released.aborted) {
        to.destroy();
        from.destroy();
        return;
      }
      hold(to, open);
      joinSockets(from, to);
    } catch (error) {
      from.resetAndDestroy();
      if (released.aborted) return;
      const { message } = error as Error;
      this.#warn(`instances are not reached at addresses of their own: ${message}`, message);
    }
  }

  #warn(message: string, kind = message): void {
    if (!this.#said.has(kind)) this.#options.warn?.(message);
    this.#said.add(kind);
  }
}

function hold(socket: Socket, open: Set<Socket>): void {
  open.add(socket);
  socket.once("close", () => open.delete(socket));
}

function shut({ servers, open, released }: Listening): void {
  released.abort();
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

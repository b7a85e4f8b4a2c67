import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { cutIdleBody } from "./cut-idle-body.ts";
import { honourExpectContinue } from "./expect-continue.ts";
import type { TlsOptions } from "./tls-files.ts";

type App = { fetch: Parameters<typeof getRequestListener>[0] };

/** A connection on which nothing moves for this long (ms) is closed; long polls and waits are kept by data or answer. */
const IDLE_MS = 2 * 60_000;
const KEEP_ALIVE_MS = 65_000;
/** A connection on which nothing moves for this long (ms) is asked by TCP whether its other side is there. */
const ALIVE_MS = 60_000;
/** Headers must be there within this (ms). */
const HEADERS_MS = 30_000;

/** Requests that leave HTTP. */
export type Upgrade = {
  /** Any other is answered as a plain request, whatever its header `Upgrade` asks for. */
  accepts(incoming: IncomingMessage): boolean;
  handle(incoming: IncomingMessage, socket: Duplex, head: Buffer): void;
};

export type ServeOptions = {
  host: string;
  /** 0 = any free port */
  port: number;
  /** makes it speak HTTPS */
  tls?: TlsOptions;
  upgrades?: readonly Upgrade[];
  /** an idle connection is kept for this long (ms, default 65 s): longer than what is in front keeps its own */
  keepAliveMs?: number;
  /** a body on which nothing moves for this long (ms) is cut (default two minutes) */
  idleMs?: number;
  /** told when the server itself fails, for example when there are no descriptors for more connections */
  onError?: (error: Error) => void;
};

export type Served = {
  url: string;
  server: Server;
  /** New connections get this certificate. @throws Error where the server does not speak HTTPS */
  renewTls(tls: TlsOptions): void;
  close(graceMs: number): Promise<void>;
};

/**
 * Serves an app over HTTP, or HTTPS, on `host:port`.
 * There is no limit on how long a request takes (Node's own would cut a slow uplink at 300 s); a body that
 * stands still is what ends it.
 */
export async function serve(app: App, options: ServeOptions): Promise<Served> {
  const { tls, upgrades = [] } = options;
  const upgradeOf = (incoming: IncomingMessage) => upgrades.find((upgrade) => upgrade.accepts(incoming));
  const settings = {
    requestTimeout: 0,
    headersTimeout: HEADERS_MS,
    // a client that is gone without a word ends what is still written for it
    keepAlive: true,
    keepAliveInitialDelay: ALIVE_MS,
    keepAliveTimeout: options.keepAliveMs ?? KEEP_ALIVE_MS,
    shouldUpgradeCallback: (incoming: IncomingMessage) => upgradeOf(incoming) !== undefined,
  };
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  // of HTTP/1.0, whose requests may name no host
  const listener = getRequestListener(app.fetch, { hostname: host });
  const server = tls ? createTlsServer({ ...settings, ...tls }, listener) : createServer(settings, listener);
  server.on("request", (incoming: IncomingMessage) => {
    cutIdleBody(incoming, options.idleMs ?? IDLE_MS);
  });
  /** the server knows nothing of these any more */
  const upgraded = new Set<Duplex>();
  server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once("close", () => upgraded.delete(socket));
    // a peer that resets the connection is no fault of ours
    socket.on("error", () => socket.destroy());
    upgradeOf(incoming)?.handle(incoming, socket, head);
  });
  honourExpectContinue(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  // Without a listener the second failed accept would end the process: anybody can open connections.
  server.on("error", (error) => options.onError?.(error));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? "https" : "http"}://${host}:${port}`,
    server,
    renewTls: (renewed) => (server as TlsServer).setSecureContext(renewed),
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          server.closeAllConnections();
          for (const socket of upgraded) socket.destroy();
        }, graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

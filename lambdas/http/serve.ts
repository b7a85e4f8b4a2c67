import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { honourExpectContinue } from "./expect-continue.ts";

type App = { fetch: Parameters<typeof getRequestListener>[0] };

/** A connection on which nothing moves for this long (ms) is closed; long polls and waits are kept by data or answer. */
const IDLE_MS = 2 * 60_000;
/** Headers must be there within this (ms). */
const HEADERS_MS = 30_000;

/**
 * Serves an app over HTTP on `host:port` (0 = any free port).
 * There is no limit on how long a request takes (Node's own would cut a slow uplink at 300 s); a body that
 * stands still is what ends it.
 */
export async function serve(
  app: App,
  options: {
    host: string;
    port: number;
    /** a body on which nothing moves for this long (ms) is cut (default two minutes) */
    idleMs?: number;
    /** told when the server itself fails, for example when there are no descriptors for more connections */
    onError?: (error: Error) => void;
  },
): Promise<{ url: string; server: Server; close(graceMs: number): Promise<void> }> {
  const server = createServer(
    { requestTimeout: 0, headersTimeout: HEADERS_MS, keepAliveTimeout: 65_000 },
    getRequestListener(app.fetch, { overrideGlobalObjects: false }),
  );
  server.on("request", (incoming) => {
    // Only while a body comes in: an answer may be long in coming.
    const { "content-length": length = "0", "transfer-encoding": encoding } = incoming.headers;
    if (length === "0" && encoding === undefined) return;
    incoming.setTimeout(options.idleMs ?? IDLE_MS, () => incoming.destroy());
    incoming.once("end", () => incoming.setTimeout(0));
  });
  honourExpectContinue(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  // Without a listener the second failed accept would end the process: anybody can open connections.
  server.on("error", (error) => options.onError?.(error));
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    server,
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

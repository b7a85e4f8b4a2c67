import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

export type PooledAgentsOptions = {
  /** connections to one host at once; further requests wait for one, without a time limit (default 100) */
  sockets?: number;
  /** ms for finding the host's address, and again for connecting to it (TLS included; default 5,000) */
  connectMs?: number;
};

/**
 * Agents for http and https that keep their connections and bound the time in which one is established. The time
 * runs from the connection's own start: `connectionTimeout` of the AWS SDK's handler runs from the request's, so a
 * burst of requests that merely wait for one of the pool's sockets would fail.
 * A connection that is late ends with ETIMEDOUT, which the SDK tries again.
 */
export function pooledAgents(options: PooledAgentsOptions = {}): {
  httpAgent: http.Agent;
  httpsAgent: https.Agent;
} {
  const { sockets = 100, connectMs = 5_000 } = options;
  const pool = { keepAlive: true, maxSockets: sockets };
  class HttpAgent extends http.Agent {
    override createConnection(...call: Parameters<http.Agent["createConnection"]>) {
      return within(connectMs, "connect", super.createConnection(...call));
    }
  }
  class HttpsAgent extends https.Agent {
    override createConnection(...call: Parameters<https.Agent["createConnection"]>) {
      return within(connectMs, "secureConnect", super.createConnection(...call));
    }
  }
  return { httpAgent: new HttpAgent(pool), httpsAgent: new HttpsAgent(pool) };
}

function within<T extends Duplex | null | undefined>(ms: number, ready: string, made: T): T {
  const socket = made as Socket | null | undefined;
  if (!socket) return made;
  let connected = false;
  const timer = setTimeout(() => {
    // A process that stood still has not read yet what came in meanwhile: the connection may be there.
    setImmediate(() => {
      if (connected || socket.destroyed) return;
      const error = new Error(`no connection to ${socket.remoteAddress ?? "the server"} within ${ms} ms`);
      socket.destroy(Object.assign(error, { code: "ETIMEDOUT" }));
    });
  }, ms);
  const stop = () => {
    connected = true;
    clearTimeout(timer);
  };
  socket.once("connectionAttempt", () => timer.refresh());
  socket.once(ready, stop).once("close", stop);
  return made;
}

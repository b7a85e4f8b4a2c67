import type http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** An import would read all of the module's names, one of which loads a WebSocket client: a third of a Lambda's start. */
const { Agent } = process.getBuiltinModule("node:http");

export type PooledAgentsOptions = {
  /** connections to one host at the same time; further requests wait for one, without a time limit (default 100) */
  sockets?: number;
  /** ms for resolving the host's name, and again for connecting to it, TLS included (default 5,000) */
  connectMs?: number;
};

/**
 * Agents for http and https that keep their connections and bound the time for establishing one. The time runs from
 * the start of the connection: `connectionTimeout` of the AWS SDK's handler runs from the start of the request, so a
 * burst of requests that only wait for a socket of the pool would fail.
 * A connection that takes too long ends with ETIMEDOUT, which the SDK retries.
 */
export function pooledAgents(options: PooledAgentsOptions = {}): {
  httpAgent: http.Agent;
  httpsAgent: https.Agent;
} {
  const { sockets = 100, connectMs = 5_000 } = options;
  const pool = { keepAlive: true, maxSockets: sockets };
  class HttpAgent extends Agent {
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
    // A process that was frozen has not read its pending events yet: the connection may already be established.
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

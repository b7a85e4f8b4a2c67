import http from "node:http";
import https from "node:https";

/** What names the proxies: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in capitals or not. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

export type OutwardAgents = { http: http.Agent; https: https.Agent };

/** Node's agents for what goes to the ground: their connections are kept, and go through the environment's proxies. */
export function outwardAgents(proxies: ProxyEnvironment = process.env): OutwardAgents {
  const options = { keepAlive: true, maxSockets: 16, proxyEnv: { ...proxies } };
  return { http: new http.Agent(options), https: new https.Agent(options) };
}

/** Is there a proxy for addresses of that protocol? It may have exceptions. */
export function hasProxy(protocol: "http" | "https", proxies: ProxyEnvironment = process.env): boolean {
  const name = `${protocol}_proxy`;
  return Boolean(proxies[name] || proxies[name.toUpperCase()]);
}

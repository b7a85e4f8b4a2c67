import type { Context } from "hono";
import type { GroundEnv } from "./env.ts";

export type PublicHostsOptions = {
  /** `host` or `host:port`, as users write them (default none: whatever a request names) */
  hosts?: readonly string[];
  /** believe X-Forwarded-Host and X-Forwarded-Proto (default false) */
  trustProxy?: boolean;
};

const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/;

/** By which hosts users reach the ground: for links in answers, signed hosts, and to refuse others. */
export class PublicHosts {
  /** lower-case */
  readonly hosts: readonly string[];
  readonly #trustProxy: boolean;

  /** @throws Error that names what is no host */
  constructor({ hosts = [], trustProxy = false }: PublicHostsOptions = {}) {
    this.hosts = hosts.map((host) => host.toLowerCase());
    this.#trustProxy = trustProxy;
    for (const host of this.hosts) {
      if (!HOST.test(host))
        throw new Error(`PERIGEE_PUBLIC_HOSTS: ${JSON.stringify(host)} is no host or host:port`);
    }
  }

  /** Does the request name a host by which users may reach the ground? Any, where the operator named none. */
  knows(c: Context<GroundEnv>): boolean {
    return this.hosts.length === 0 || this.hosts.includes(this.#named(c));
  }

  /** Where the client finds the ground, for links in answers: `https://ground.example:8443`. */
  origin(c: Context<GroundEnv>): string {
    const host = this.knows(c) ? this.#named(c) : this.hosts[0]!;
    return `${this.#scheme(c)}://${host}`;
  }

  /** The hosts, ports included, that a client may have meant when it signed its request. */
  candidates(c: Context<GroundEnv>): string[] {
    const given = [c.req.header("host"), this.#forwarded(c, "x-forwarded-host")];
    return [...new Set([...given.flatMap((host) => host?.toLowerCase() ?? []), ...this.hosts])];
  }

  /** Did the client come over TLS: to the ground itself, to the trusted proxy in front of it, or to the function URL? */
  isSecure(c: Context<GroundEnv>): boolean {
    const behindFunctionUrl = c.env?.target !== undefined;
    return (behindFunctionUrl ? c.req.header("x-forwarded-proto") : this.#scheme(c)) === "https";
  }

  #named(c: Context<GroundEnv>): string {
    return (this.#forwarded(c, "x-forwarded-host") ?? c.req.header("host") ?? "").toLowerCase();
  }

  #scheme(c: Context<GroundEnv>): "http" | "https" {
    const { protocol } = new URL(c.req.url);
    return protocol === "https:" || this.#forwarded(c, "x-forwarded-proto") === "https" ? "https" : "http";
  }

  /** The last entry, which our own proxy wrote. */
  #forwarded(c: Context<GroundEnv>, name: string): string | undefined {
    if (!this.#trustProxy) return undefined;
    return c.req.header(name)?.split(",").at(-1)?.trim() || undefined;
  }
}

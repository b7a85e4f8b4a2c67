import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { LiveEnd } from "#protocol/live.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { EdgesByContact, PrometheusMetrics } from "./prometheus-metrics.ts";

/**
 * What a ground tells of itself at `/metrics`. The library is loaded when there is something to count: a process
 * that is one of many and soon gone (a Lambda) counts nothing, and tells of the edges alone.
 */
export class Metrics {
  readonly #counting: boolean;
  readonly #contact: () => Promise<EdgesByContact>;
  #loading: Promise<PrometheusMetrics> | undefined;

  readonly #idleRunners: () => Promise<number>;

  /**
   * @param of.process count requests and commands, and tell of the process itself (memory, event loop)
   * @param contact counts the edges in and out of contact, asked for at every scrape
   * @param idleRunners counts the runners of all edges that can be handed out, as last reported
   */
  constructor(
    of: { process: boolean },
    contact: () => Promise<EdgesByContact>,
    idleRunners: () => Promise<number>,
  ) {
    this.#counting = of.process;
    this.#contact = contact;
    this.#idleRunners = idleRunners;
  }

  /** Counts every request under its route's pattern. */
  middleware(): MiddlewareHandler<GroundEnv> {
    return async (c, next) => {
      if (!this.#counting) {
        await next();
        return;
      }
      const start = performance.now();
      await next();
      const of = { method: c.req.method, route: routePath(c, -1), status: c.res.status };
      (await this.#load()).answered({ ...of, ms: performance.now() - start });
    };
  }

  /** A live session was opened. */
  async sessionOpened(): Promise<void> {
    if (this.#counting) (await this.#load()).sessionOpened();
  }

  /** What a live session asked for runs, or is open, `ms` after it was opened. */
  async sessionStarted(kind: string, ms: number): Promise<void> {
    if (this.#counting) (await this.#load()).sessionStarted(kind, ms);
  }

  /** A live session has ended. */
  async sessionEnded(session: { kind: string; end: LiveEnd; in: number; out: number }): Promise<void> {
    if (this.#counting) (await this.#load()).sessionEnded(session);
  }

  /** Counts a command that has ended. */
  async ended(command: Command): Promise<void> {
    if (this.#counting) (await this.#load()).ended(command);
  }

  /** Counts a runner that was handed out. */
  async handedOut(): Promise<void> {
    if (this.#counting) (await this.#load()).handedOut();
  }

  /** A pool had a runner again `ms` after one was handed out. */
  async refilled(ms: number): Promise<void> {
    if (this.#counting) (await this.#load()).refilled(ms);
  }

  /** What a scrape gets: the text, and its type. */
  async scrape(): Promise<{ text: string; contentType: string }> {
    const { registry } = await this.#load();
    return { text: await registry.metrics(), contentType: registry.contentType };
  }

  #load(): Promise<PrometheusMetrics> {
    this.#loading ??= import("./prometheus-metrics.ts").then(
      ({ PrometheusMetrics }) =>
        new PrometheusMetrics({ process: this.#counting }, this.#contact, this.#idleRunners),
    );
    return this.#loading;
  }
}

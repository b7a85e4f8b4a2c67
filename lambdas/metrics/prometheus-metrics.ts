import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { LiveEnd } from "#protocol/live.ts";
import type { Command } from "../ledger/command.ts";

/** How many edges are in contact with the ground, and how many are not. */
export type EdgesByContact = { ok: number; lost: number };

type EndedSession = { kind: string; end: LiveEnd; in: number; out: number };

/** Prometheus metrics. Labels name routes, operations and states: never users, pods, images or commands. */
export class PrometheusMetrics {
  readonly registry = new Registry();
  readonly #requests: Counter<"method" | "route" | "status">;
  readonly #duration: Histogram<"method" | "route">;
  readonly #commands: Counter<"operation" | "state">;
  readonly #work: Histogram<"operation">;
  readonly #sessions: Gauge;
  readonly #sessionStart: Histogram<"kind">;
  readonly #sessionEnds: Counter<"kind" | "end">;
  readonly #sessionBytes: Counter<"direction">;
  readonly #handedOut: Counter;
  readonly #refill: Histogram;

  /**
   * @param of.process the process' own metrics too (memory, event loop)
   * @param contact counts the edges in and out of contact, asked for at every scrape
   * @param idleRunners counts the runners that can be handed out, asked for at every scrape
   */
  constructor(
    of: { process: boolean },
    contact: () => Promise<EdgesByContact>,
    idleRunners: () => Promise<number>,
  ) {
    const registers = [this.registry];
    if (of.process) collectDefaultMetrics({ register: this.registry, prefix: "perigee_" });
    this.#requests = new Counter({
      name: "perigee_http_requests_total",
      help: "Requests answered",
      labelNames: ["method", "route", "status"],
      registers,
    });
    this.#duration = new Histogram({
      name: "perigee_http_request_duration_seconds",
      help: "Time to the answer's head",
      labelNames: ["method", "route"],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600],
      registers,
    });
    this.#commands = new Counter({
      name: "perigee_commands_ended_total",
      help: "Commands that reached their end by a report",
      labelNames: ["operation", "state"],
      registers,
    });
    this.#work = new Histogram({
      name: "perigee_command_work_seconds",
      help: "Time from claim to report",
      labelNames: ["operation"],
      buckets: [0.01, 0.05, 0.2, 1, 5, 30, 120, 1800],
      registers,
    });
    this.#handedOut = new Counter({
      name: "perigee_runners_handed_out_total",
      help: "Runners handed out",
      registers,
    });
    this.#refill = new Histogram({
      name: "perigee_runner_refill_seconds",
      help: "Time from a hand-out until the pool had another runner",
      buckets: [0.5, 1, 2, 5, 15, 60, 300],
      registers,
    });
    this.#sessions = new Gauge({
      name: "perigee_live_sessions",
      help: "Live sessions that are open",
      registers,
    });
    this.#sessionStart = new Histogram({
      name: "perigee_live_session_start_seconds",
      help: "Time from a live session's opening until its program runs or its file is open",
      labelNames: ["kind"],
      buckets: [0.02, 0.05, 0.1, 0.2, 0.5, 1, 3, 10, 30],
      registers,
    });
    this.#sessionEnds = new Counter({
      name: "perigee_live_sessions_ended_total",
      help: "Live sessions by kind and end",
      labelNames: ["kind", "end"],
      registers,
    });
    this.#sessionBytes = new Counter({
      name: "perigee_live_bytes_total",
      help: "Bytes in live sessions, to the edge (in) and from it (out)",
      labelNames: ["direction"],
      registers,
    });
    new Gauge({
      name: "perigee_runners_idle",
      help: "Runners that can be handed out, over all edges",
      registers,
      async collect() {
        this.set(await idleRunners());
      },
    });
    new Gauge({
      name: "perigee_edges",
      help: "Edges by contact",
      labelNames: ["contact"],
      registers,
      async collect() {
        const { ok, lost } = await contact();
        this.set({ contact: "ok" }, ok);
        this.set({ contact: "lost" }, lost);
      },
    });
  }

  /** A request of `route` (its pattern) was answered after `ms`. */
  answered(of: { method: string; route: string; status: number; ms: number }): void {
    const { method, route, status, ms } = of;
    this.#requests.inc({ method, route, status });
    this.#duration.observe({ method, route }, ms / 1000);
  }

  sessionOpened(): void {
    this.#sessions.inc();
  }

  sessionStarted(kind: string, ms: number): void {
    this.#sessionStart.observe({ kind }, ms / 1000);
  }

  sessionEnded({ kind, end, in: bytesIn, out }: EndedSession): void {
    this.#sessions.dec();
    this.#sessionEnds.inc({ kind, end: end.type === "error" ? end.code : end.type });
    this.#sessionBytes.inc({ direction: "in" }, bytesIn);
    this.#sessionBytes.inc({ direction: "out" }, out);
  }

  handedOut(): void {
    this.#handedOut.inc();
  }

  refilled(ms: number): void {
    this.#refill.observe(ms / 1000);
  }

  ended(command: Command): void {
    const { operation, state } = command;
    this.#commands.inc({ operation, state });
    if (command.claimedAt && command.endedAt) {
      this.#work.observe({ operation }, Math.max(0, command.endedAt - command.claimedAt) / 1000);
    }
  }
}

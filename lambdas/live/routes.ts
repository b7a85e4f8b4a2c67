import type { Context, Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { LiveTarget } from "#protocol/live.ts";
import { LIVE_FEATURES } from "#protocol/live-control.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { LABEL, LABEL_RULE } from "#protocol/names.ts";
import { invalid } from "../fields/form-values.ts";
import type { GroundEnv } from "../http/env.ts";
import { json } from "../http/json-answer.ts";
import type { PublicHosts } from "../http/public-hosts.ts";
import { registerRoute } from "../http/route-handler.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Runs } from "../ledger/runs.ts";
import type { RunnerPools } from "../runners/runner-pools.ts";
import { readJsonBody } from "../uplinks/json-body.ts";
import { readExecRequest } from "./exec-request.ts";
import { newestRun, runningRun } from "./newest-run.ts";
import type { Live } from "./open-live.ts";

export type LiveRouteDeps = {
  live: Live;
  ledger: Pick<Ledger, "inContact" | "edgeAgent">;
  runs: Pick<Runs, "find">;
  runners: Pick<RunnerPools, "used" | "touched">;
  hosts: PublicHosts;
  resolveEdge(user: string, header: string | undefined): Promise<string>;
  now: () => number;
  log: Parameters<typeof registerRoute>[1]["log"];
};

type LiveContext = Context<GroundEnv>;

/** Live executions of users, and what became of them. None takes a lock. */
export function registerLiveRoutes(app: Hono<GroundEnv>, deps: LiveRouteDeps): void {
  registerRoute(app, deps, { path: "/pods/:pod/exec", methods: ["POST"], handle: (c) => execInPod(c, deps) });
  registerRoute(app, deps, {
    path: "/runners/:id/exec",
    methods: ["POST"],
    handle: (c) => execInRunner(c, deps),
  });
  registerRoute(app, deps, { path: "/sessions", methods: ["GET"], handle: (c) => sessions(c, deps) });
}

/** POST /pods/{pod}/exec */
async function execInPod(c: LiveContext, deps: LiveRouteDeps): Promise<Response> {
  const user = c.get("user");
  const pod = c.req.param("pod") ?? "";
  const exec = readExecRequest(await readJsonBody(c, LIMITS.bodyBytes));
  if (!LABEL.test(pod)) throw invalid("pod", LABEL_RULE);
  const edge = await deps.resolveEdge(user, c.req.header("perigee-edge"));
  const newest = await newestRun(deps.runs, { edge, user, pod });
  if (!newest) throw new PerigeeError("POD_NOT_FOUND", `A pod named ${pod} was never run`);
  await requireLive(deps, { user, edge, target: { pod, run: newest.run } });
  const { run } = await runningRun(deps.runs, { edge, user, pod }, { run: newest });
  return ticketFor(c, deps, { user, edge, target: { pod, run }, exec });
}

/** POST /runners/{id}/exec */
async function execInRunner(c: LiveContext, deps: LiveRouteDeps): Promise<Response> {
  const user = c.get("user");
  const id = c.req.param("id") ?? "";
  const exec = readExecRequest(await readJsonBody(c, LIMITS.bodyBytes));
  const runner = await deps.runners.used(user, id);
  if (!runner || runner.since < c.get("userSince"))
    throw new PerigeeError("RUNNER_NOT_FOUND", "There is no runner of this id");
  const { edge } = runner;
  await requireLive(deps, { user, edge, target: { runner: id } });
  // the ground would else end it by itself, though its edge counts anew from the session on
  await deps.runners.touched(user, id);
  return ticketFor(c, deps, { user, edge, target: { runner: id }, exec });
}

/** @throws LIVE_UNAVAILABLE, TOO_MANY_SESSIONS */
async function requireLive(
  { live, ledger }: LiveRouteDeps,
  of: { user: string; edge: string; target: LiveTarget },
): Promise<void> {
  const [relay, contact, agent] = await Promise.all([
    live.hasRelay(),
    ledger.inContact(of.edge),
    ledger.edgeAgent(of.edge),
  ]);
  const unavailable = (message: string) => new PerigeeError("LIVE_UNAVAILABLE", message);
  if (!relay) throw unavailable("This ground has no relay for live sessions now");
  const { features = [] } = agent ?? {};
  if (!features.includes(LIVE_FEATURES.live) || !features.includes(LIVE_FEATURES.exec)) {
    throw unavailable("The edge does not offer live sessions");
  }
  if (!contact) throw unavailable("The edge is not in contact");
  if (live.relay?.hasRoom(of) === false) {
    throw new PerigeeError("TOO_MANY_SESSIONS", "Too many live sessions are open");
  }
}

async function ticketFor(
  c: LiveContext,
  { live, hosts }: LiveRouteDeps,
  ticket: Parameters<Live["tickets"]["create"]>[0],
): Promise<Response> {
  const page = pageOf(c, hosts);
  const text = await live.tickets.create(
    { ...ticket, ...(page !== undefined && { page }) },
    { ttlMs: LIVE_LIMITS.ticketMs, most: LIVE_LIMITS.ticketsPerTarget },
  );
  const base = (live.url ?? hosts.origin(c)).replace(/^http/, "ws").replace(/\/+$/, "");
  return json({ url: `${base}/live?ticket=${text}`, expires_in: LIVE_LIMITS.ticketMs / 1000 }, 201);
}

/** Origin of the page that asks, where it is one of the ground's own. */
function pageOf(c: LiveContext, hosts: PublicHosts): string | undefined {
  const origin = c.req.header("origin");
  const page = origin === undefined ? null : URL.parse(origin);
  if (!page) return undefined;
  // the scheme's own port may be named or not
  const own = hosts.candidates(c).some((host) => URL.parse(`${page.protocol}//${host}`)?.host === page.host);
  return own ? origin : undefined;
}

/** GET /sessions */
async function sessions(c: LiveContext, { live, now }: LiveRouteDeps): Promise<Response> {
  const notes = await live.notes.list(c.get("user"), now(), c.get("userSince"));
  return json({
    message: "Successfully fetched sessions",
    data: notes.map(({ id, edge, kind, target, began, ended, end, bytesIn, bytesOut }) => ({
      id,
      edge,
      kind,
      pod: "pod" in target ? target.pod : null,
      runner: "runner" in target ? target.runner : null,
      began: new Date(began).toISOString(),
      ended: ended === undefined ? null : new Date(ended).toISOString(),
      end: end === undefined ? null : { type: end.type, ...codeOf(end) },
      bytes_in: bytesIn ?? null,
      bytes_out: bytesOut ?? null,
    })),
  });
}

function codeOf(end: { type: string; code?: unknown }): { code?: unknown } {
  return end.code === undefined ? {} : { code: end.code };
}

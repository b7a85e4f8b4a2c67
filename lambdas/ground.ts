import { Hono } from "hono";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { agentRoutes } from "./agent-api/routes.ts";
import { Accounts } from "./auth/accounts.ts";
import { RecentAccounts } from "./auth/recent-accounts.ts";
import { requireAgent } from "./auth/require-agent.ts";
import { requireUser } from "./auth/require-user.ts";
import { registerAuthRoutes } from "./auth/routes.ts";
import { Throttle } from "./auth/throttle.ts";
import { type TokenKeys, Tokens } from "./auth/tokens.ts";
import { registerCommandRoutes } from "./commands/routes.ts";
import { registerEmRoutes } from "./dialects/em/routes.ts";
import { Changes } from "./dispatch/changes.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import { Waiting, type WaitingOptions } from "./dispatch/waiting.ts";
import { registerEdgeRoutes } from "./edges/routes.ts";
import { allowedMethods } from "./http/allowed-methods.ts";
import { answerThenDrain } from "./http/answer-then-drain.ts";
import { incomingOf } from "./http/body-stream.ts";
import { cachedFor } from "./http/cached-for.ts";
import type { GroundEnv } from "./http/env.ts";
import { errorResponse } from "./http/errors.ts";
import { foldedPath } from "./http/fold-slashes.ts";
import { limitOpen } from "./http/limit-open.ts";
import { SAFE_HEADERS } from "./http/safe-headers.ts";
import { Janitor } from "./janitor/janitor.ts";
import { Ledger, type LedgerOptions } from "./ledger/ledger.ts";
import { Runs } from "./ledger/runs.ts";
import { PodLogs } from "./logs/pod-logs.ts";
import { Metrics } from "./metrics/metrics.ts";
import type { Doorbell } from "./ports/doorbell.ts";
import type { LedgerStore } from "./ports/ledger-store.ts";
import type { Staging } from "./ports/staging.ts";
import { Allowances } from "./quotas/allowances.ts";
import { registerUplinkRoutes } from "./uplinks/routes.ts";
import { Uploads } from "./uplinks/uploads.ts";

/** The adapters and settings that a ground is put together from. */
export type GroundOptions = {
  store: LedgerStore;
  staging: Staging;
  doorbell: Doorbell;
  /** signs the users' tokens: the current key, then earlier ones */
  tokens: TokenKeys;
  log: Logger;
  /** ms since 1970 (default Date.now) */
  now?: () => number;
  /** bytes per user over volumes, images and staging (default LIMITS.quotaBytes) */
  quota?: number;
  limits?: LedgerOptions["limits"];
  /** of all dialects (default: the EM's) */
  lanes?: LedgerOptions["lanes"];
  /** how many commands of a lane may run at the same time, where the operator says so (PERIGEE_LANES) */
  widths?: LedgerOptions["widths"];
  waiting?: Partial<WaitingOptions>;
  /** what may pass through this ground, where that is bounded (Lambda); by default nothing is */
  pass?: GatewayLimits;
  /** bytes of an uplink over which clients are told to send it in parts (default LIMITS.partsOver) */
  partsOver?: number;
  /** ms for which what was read of an account is believed again, when a token is checked (default 0) */
  recentAccountMs?: number;
  /** believe X-Forwarded-For (default false) */
  trustProxy?: boolean;
  /** ms that the process has for the request it is at (default: without end, as on a server) */
  timeLeftMs?: () => number;
  /** routes of the adapters: signed URLs, doorbell (behind the agent's token) */
  routes?: { open?: Hono[]; agent?: Hono[] };
};

/** Bytes that pass through a ground: larger bodies take another way, which the answers name. */
export type GatewayLimits = {
  /** of a whole request: a larger uplink is told to come in parts */
  requestBytes: number;
  /** of content in an answer: larger content is redirected to */
  answerBytes: number;
};

export type Ground = {
  app: Hono<GroundEnv>;
  ledger: Ledger;
  accounts: Accounts;
  staging: Staging;
  runs: Runs;
  janitor: Janitor;
};

/** Anybody may scrape, and each look reads every edge's heartbeat. */
const CONTACT_MS = 10_000;

/** Puts the ground side together: one app for the server and for Lambda. */
export function createGround(options: GroundOptions): Ground {
  const { store, staging, doorbell, log } = options;
  const now = options.now ?? Date.now;
  const quota = options.quota ?? LIMITS.quotaBytes;
  const { limits, lanes, widths } = options;
  const ledger = new Ledger(store, {
    now,
    ...(limits && { limits }),
    ...(lanes && { lanes }),
    ...(widths && { widths }),
  });
  const accounts = new Accounts(store, { now });
  const recent = new RecentAccounts(accounts, { ms: options.recentAccountMs ?? 0, now });
  const tokens = new Tokens(options.tokens, { now });
  const runs = new Runs(store, now);
  const podLogs = new PodLogs(staging);
  const changes = new Changes();
  const { timeLeftMs, pass } = options;
  const content = { staging, log, ...(pass && { passBytes: pass.answerBytes }) };
  const waiting = new Waiting(ledger, changes, {
    now,
    ...options.waiting,
    ...(timeLeftMs && { timeLeftMs }),
  });
  const allowances = new Allowances({ staging, ledger, quota });
  const dispatch = new Dispatcher({ ledger, staging, doorbell, waiting, changes, allowances });
  const uploads = new Uploads({ ledger, staging, dispatch, allowances });
  const edges = async () => (await accounts.listEdges()).map((edge) => edge.id);
  const janitor = new Janitor({
    ledger,
    store,
    staging,
    changes,
    edges,
    now,
    log,
    ...(timeLeftMs && { timeLeftMs }),
  });
  const contact = async () => {
    const all = await Promise.all((await edges()).map((edge) => ledger.inContact(edge)));
    const ok = all.filter(Boolean).length;
    return { ok, lost: all.length - ok };
  };
  // a Lambda's process is one of many and soon gone: what it would say of itself means nothing
  const metrics = new Metrics({ process: !pass }, cachedFor(CONTACT_MS, contact));

  const app = new Hono<GroundEnv>({ getPath: foldedPath });
  app.onError((error, c) => answerThenDrain(errorResponse(error, { log }), incomingOf(c)));
  app.notFound((c) => {
    const { method, path } = c.req;
    const allow = allowedMethods(app.routes, path);
    const error =
      allow.length === 0
        ? new PerigeeError("NOT_FOUND", `There is no route ${method} ${path}`)
        : new PerigeeError("METHOD_NOT_ALLOWED", `This route answers ${allow.join(" and ")} only`, {
            data: { allow },
          });
    return answerThenDrain(errorResponse(error, { log }), incomingOf(c));
  });
  app.use(metrics.middleware());
  app.use(async (c, next) => {
    // set before, so that answers that are streamed pass untouched: those set it themselves
    for (const [name, value] of Object.entries(SAFE_HEADERS)) c.header(name, value);
    // never `return next()`: where nothing answered, Hono would send the returned context as if it were a response
    await next();
  });

  // Open, so that a client learns how to send before it sends: no token, no edge, no body
  const uplinks = { parts_over: options.partsOver ?? LIMITS.partsOver };
  app.get("/healthz", (c) => c.json({ status: "ok", uplinks }));
  app.get("/metrics", async (c) => {
    const { text, contentType } = await metrics.scrape();
    return c.body(text, 200, { "content-type": contentType, "x-content-type-options": "nosniff" });
  });
  registerAuthRoutes(app, {
    accounts,
    tokens,
    throttle: new Throttle(store, { now }),
    trustProxy: options.trustProxy ?? false,
  });
  for (const route of options.routes?.open ?? []) app.route("/", route);

  const agent = new Hono<GroundEnv>();
  agent.use(requireAgent({ accounts: recent }));
  for (const route of options.routes?.agent ?? []) agent.route("/", route);
  agent.route(
    "/",
    agentRoutes({ ledger, staging, runs, podLogs, changes, quota, log, onEnd: (c) => metrics.ended(c) }),
  );
  app.route("/agent", agent);

  const fewAtOnce = limitOpen(LIMITS.openPerUser);
  for (const path of ["/em/*", "/uplinks", "/uplinks/*", "/commands", "/commands/*", "/edge"]) {
    app.use(path, requireUser({ accounts: recent, tokens }), fewAtOnce);
  }
  const resolveEdge = (user: string, header: string | undefined) => recent.resolveEdge(user, header);
  registerEmRoutes(app, {
    ...content,
    dispatch,
    podLogs,
    runs,
    resolveEdge,
    timeLeftMs,
    requestBytes: pass?.requestBytes,
  });
  registerUplinkRoutes(app, { uploads, resolveEdge, log, now });
  registerCommandRoutes(app, { ...content, ledger, waiting, dispatch });
  registerEdgeRoutes(app, { ledger, runs, resolveEdge, now });

  const document = async () => (await import("./docs/document.ts")).apiDocument();
  app.get("/openapi.json", async (c) => c.json(await document()));
  app.get("/docs", async (c) => {
    const { docsPage } = await import("./docs/page.ts");
    return c.html(docsPage(await document()), 200, DOCS_HEADERS);
  });
  return { app, ledger, accounts, staging, runs, janitor };
}

const DOCS_HEADERS = {
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
  "x-content-type-options": "nosniff",
};

import { Hono } from "hono";
import type { Logger } from "pino";
import { LIMITS } from "#protocol/limits.ts";
import { agentRoutes } from "./agent-api/routes.ts";
import { type Account, Accounts } from "./auth/accounts.ts";
import { commandOrder } from "./auth/command-order.ts";
import type { PasswordCost } from "./auth/password.ts";
import { RecentAccounts } from "./auth/recent-accounts.ts";
import { Removals } from "./auth/removals.ts";
import { requireAgent } from "./auth/require-agent.ts";
import { requireUser } from "./auth/require-user.ts";
import { registerAuthRoutes } from "./auth/routes.ts";
import type { SealKeys } from "./auth/seal-keys.ts";
import { Throttle } from "./auth/throttle.ts";
import { type TokenKeys, Tokens } from "./auth/tokens.ts";
import { type CommandRowsOptions, rowsOf } from "./commands/command-rows.ts";
import { registerCommandLog } from "./commands/log.ts";
import { registerCommandRoutes } from "./commands/routes.ts";
import { registerConsoleEvents } from "./console/events.ts";
import { registerConsole } from "./console/routes.ts";
import { checkDialects } from "./dialects/check-dialects.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { registerHoldings } from "./dialects/holdings-route.ts";
import { DIALECTS } from "./dialects/index.ts";
import { janitorRounds } from "./dialects/janitor-round.ts";
import { keptContent } from "./dialects/kept-content.ts";
import { lanesOf } from "./dialects/lanes-of.ts";
import {
  completedRun,
  coresOf,
  type MountedDialect,
  mountAgentRoutes,
  mountDialects,
} from "./dialects/mounted-dialects.ts";
import { Users } from "./dialects/users.ts";
import { Changes } from "./dispatch/changes.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import { Waiting, type WaitingOptions } from "./dispatch/waiting.ts";
import { registerOpenRoutes } from "./docs/routes.ts";
import { registerEdgeRoutes } from "./edges/routes.ts";
import { groundApp } from "./ground-app.ts";
import { cachedFor } from "./http/cached-for.ts";
import type { GroundEnv } from "./http/env.ts";
import { limitOpen } from "./http/limit-open.ts";
import { PublicHosts } from "./http/public-hosts.ts";
import { Inventory } from "./inventory/inventory.ts";
import { Janitor } from "./janitor/janitor.ts";
import type { Command } from "./ledger/command.ts";
import { Ledger, type LedgerOptions } from "./ledger/ledger.ts";
import { Runs } from "./ledger/runs.ts";
import { type Live, type LiveOptions, openLive } from "./live/open-live.ts";
import { registerLiveRoutes } from "./live/routes.ts";
import { CommandLogs } from "./logs/command-logs.ts";
import { PodLogs } from "./logs/pod-logs.ts";
import { Metrics } from "./metrics/metrics.ts";
import { OperatorAudit } from "./operator/audit.ts";
import { requireOperator } from "./operator/require-operator.ts";
import { registerOperatorRoutes } from "./operator/routes.ts";
import type { Doorbell } from "./ports/doorbell.ts";
import type { OpenForeignBucket } from "./ports/foreign-buckets.ts";
import type { LedgerStore } from "./ports/ledger-store.ts";
import type { ObjectSource } from "./ports/object-source.ts";
import type { RepositoryFetcher } from "./ports/repository-fetcher.ts";
import type { Staging } from "./ports/staging.ts";
import type { Worker } from "./ports/worker.ts";
import { Allowances } from "./quotas/allowances.ts";
import { keptBytes } from "./quotas/staged-bytes.ts";
import { TransferBudget } from "./quotas/transfer-budget.ts";
import { registerRunnerRoutes } from "./runners/routes.ts";
import { StoredRunnerPools } from "./runners/stored-runner-pools.ts";
import { Transfers } from "./transfers/transfers.ts";
import { registerUplinkRoutes } from "./uplinks/routes.ts";
import { Uploads } from "./uplinks/uploads.ts";
import { registerWindowRoutes } from "./windows/routes.ts";
import { StoredWindows } from "./windows/stored-windows.ts";
import { withNextWindow } from "./windows/with-next-window.ts";

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
  /** of the hashes of new passwords, for tests (default a quarter of a second each) */
  passwordCost?: PasswordCost;
  /** bytes per user over volumes, images and staging (default LIMITS.quotaBytes) */
  quota?: number;
  limits?: LedgerOptions["limits"];
  /** how many commands of a lane may run at the same time, where the operator says so (PERIGEE_LANES) */
  widths?: LedgerOptions["widths"];
  waiting?: Partial<WaitingOptions>;
  /** what may pass through this ground, where that is bounded (Lambda); by default nothing is */
  pass?: GatewayLimits;
  /** bytes of the parts that the agent sends (default LIMITS.partBytes) */
  transferPartBytes?: number;
  /** bytes of an uplink over which clients are told to send it in parts (default LIMITS.partsOver) */
  partsOver?: number;
  /** ms for which what was read of an account is believed again, when a token is checked (default 0) */
  recentAccountMs?: number;
  /** believe X-Forwarded-For (default false) */
  trustProxy?: boolean;
  /** ms that the process has for the request it is at (default: without end, as on a server) */
  timeLeftMs?: () => number;
  /** the public APIs that are on (default: every one of the list) */
  dialects?: readonly Dialect[];
  /** hosts by which users reach the ground (default: whatever a request names) */
  publicHosts?: readonly string[];
  /** seal what dialects keep of users' secrets */
  sealKeys?: SealKeys;
  /** users' buckets, for the dialects (default: there are none) */
  objects?: ObjectSource;
  /** does the dialects' background work (default: a server does its own) */
  worker?: Worker;
  /** fetches foreign repositories for the dialects (default: nothing does) */
  repositories?: RepositoryFetcher;
  /** opens buckets of others for the dialects (default: nothing does) */
  foreignBuckets?: OpenForeignBucket;
  /** the operator's variables, for the dialects' own settings */
  settings?: Readonly<Record<string, string | undefined>>;
  /** live sessions: whether this process can be their relay, and where the relay is (default: there is none) */
  live?: LiveOptions;
  /** folder with the console's files (default: there is no console) */
  console?: string | undefined;
  /** folder with the files of the API's reference (default: there is no page at `/docs`) */
  reference?: string | undefined;
  /** routes of the adapters: signed URLs, doorbell (behind the agent's token) */
  routes?: { open?: Hono[]; agent?: Hono[] };
};

/** What is passed on to a ground by whoever puts it on its adapters. */
export type CommonGroundOptions = Pick<
  GroundOptions,
  | "quota"
  | "limits"
  | "dialects"
  | "widths"
  | "publicHosts"
  | "settings"
  | "foreignBuckets"
  | "waiting"
  | "trustProxy"
  | "partsOver"
  | "transferPartBytes"
  | "timeLeftMs"
  | "now"
  | "passwordCost"
  | "live"
  | "console"
  | "reference"
>;

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
  janitor: { round(stagingMs?: number): Promise<void> };
  /** those that are on, for the processes that run more of them than their routes */
  dialects: readonly MountedDialect[];
  /** the way of commands to edges, as the dialects have it */
  dispatch: Dispatcher;
  /** files of commands that come in parts */
  uploads: Uploads;
  /** wanted pools of edges and their runners */
  pools: StoredRunnerPools;
  /** live sessions, and the requests by which they leave HTTP */
  live: Live;
};

/** Anybody may scrape, and each look reads every edge's heartbeat. */
const CONTACT_MS = 10_000;

/** Puts the ground side together: one app for the server and for Lambda. */
export function createGround(options: GroundOptions): Ground {
  const { store, staging, doorbell, log, dialects = DIALECTS } = options;
  checkDialects(dialects);
  const now = options.now ?? Date.now;
  const quota = options.quota ?? LIMITS.quotaBytes;
  const { limits } = options;
  const ledger = new Ledger(store, {
    now,
    lanes: lanesOf(dialects, store, limits),
    ...(options.widths && { widths: options.widths }),
    ...(limits && { limits }),
    endWithoutRecords({ id, lane }, err) {
      log.error(
        { err, code: "END_WITHOUT_RECORDS", command: id, lane },
        "a command ended without its dialect's records",
      );
    },
  });
  const { passwordCost } = options;
  const accounts = new Accounts(store, { now, ...(passwordCost && { passwordCost }) });
  const recent = new RecentAccounts(accounts, { ms: options.recentAccountMs ?? 0, now });
  const tokens = new Tokens(options.tokens, { now });
  const runs = new Runs(store, now);
  const inventory = new Inventory({ store, ledger, runs, now });
  const windows = new StoredWindows({ store, now });
  const podLogs = new PodLogs(staging);
  const commandLogs = new CommandLogs(staging);
  const changes = new Changes();
  const { timeLeftMs, pass } = options;
  const content = { staging, log, ...(pass && { passBytes: pass.answerBytes }) };
  const waiting = new Waiting(ledger, changes, {
    now,
    ...options.waiting,
    ...(timeLeftMs && { timeLeftMs }),
  });
  const prefixes = dialects.flatMap(({ stagingPrefixes = [] }) =>
    stagingPrefixes.map(({ prefix }) => prefix),
  );
  // what a user keeps on the ground: in staging, and where dialects have it
  const kept = async (user: string) => {
    const beside = mounted.map(({ dialect, core }) => dialect.bytesOf?.(core, user) ?? 0);
    const bytes = await Promise.all([keptBytes(staging, user, prefixes), ...beside]);
    return bytes.reduce((sum, one) => sum + one, 0);
  };
  const allowances = new Allowances({ staging, ledger, quota, kept });
  const transferBudget = new TransferBudget({ store, staging, ledger, quota, kept, now });
  const transfers = new Transfers(
    { staging, budget: transferBudget },
    options.transferPartBytes === undefined ? {} : { partBytes: options.transferPartBytes },
  );
  const dispatch = new Dispatcher({
    ledger,
    staging,
    doorbell,
    waiting,
    changes,
    allowances,
    refusal: (error, edge) => withNextWindow(error, edge, { windows, now }),
  });
  const uploads = new Uploads({ ledger, staging, dispatch, allowances });
  const throttle = new Throttle(store, { now });
  const edges = async () => (await accounts.listEdges()).map((edge) => edge.id);
  const pools = new StoredRunnerPools({
    store,
    doorbell,
    ledger,
    edges,
    now,
    told: {
      handedOut: () => void metrics.handedOut(),
      refilled: (ms) => void metrics.refilled(ms),
    },
  });
  const trustProxy = options.trustProxy ?? false;
  const resolveEdge = (user: string, header: string | undefined) => recent.resolveEdge(user, header);
  const live = openLive(
    {
      store,
      ledger,
      accounts: recent,
      users: { find: (name) => recent.getUser(name) },
      resolveEdge,
      doorbell,
      now,
      log,
      told: {
        opened: () => void metrics.sessionOpened(),
        started: (kind, ms) => void metrics.sessionStarted(kind, ms),
        ended: (session) => void metrics.sessionEnded(session),
      },
    },
    options.live ?? {},
  );
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
  const rows = (command: Command, of: CommandRowsOptions) =>
    rowsOf({ ledger, runs, podLogs, commandLogs, now, timeLeftMs }, command, of);
  const admits = async (account: Account) => {
    for (const { dialect, core } of mounted)
      if ((await dialect.admits?.(core, account)) === false) return false;
    return true;
  };
  const hosts = new PublicHosts({ hosts: options.publicHosts ?? [], trustProxy });
  const orderOf = commandOrder({ accounts: recent, now });
  const mounted = coresOf(dialects, store, {
    ...content,
    dispatch,
    commands: {
      command: (user, id) => ledger.command(user, id),
      commands: (user, page) => ledger.commands(user, page),
      inContact: (edge) => ledger.inContact(edge),
      edgeAgent: (edge) => ledger.edgeAgent(edge),
      ahead: (command) => ledger.ahead(command),
      earlier: (user, idempotency) => ledger.earlier(user, idempotency),
      forChange: (command, ms) => waiting.forChange(command, ms),
      atMost: (command, ms) => waiting.atMost(command, ms),
      rows,
    },
    uploads,
    inventory,
    requireEpoch: (edge, epoch) => ledger.requireEpoch(edge, epoch),
    completeRun: (asked) => completedRun(mounted, asked),
    runs,
    podLogs,
    users: new Users({ accounts, recent, tokens, throttle, trustProxy, admits }),
    bytesLeft: (user, edge) => allowances.bytesLeft(user, edge),
    resolveEdge,
    orderOf,
    runners: pools,
    ...(live.relay && { live: { sessions: live.relay, tickets: live.tickets } }),
    hosts,
    setting: (name) => options.settings?.[`PERIGEE_${name}`] || undefined,
    ...(options.repositories && { repositories: options.repositories }),
    ...(options.foreignBuckets && { foreignBuckets: options.foreignBuckets }),
    ...(options.objects && { objects: options.objects }),
    ...(options.sealKeys && { sealKeys: options.sealKeys }),
    ...(options.worker && { worker: options.worker }),
    now,
    ...(pass && { requestBytes: pass.requestBytes }),
    ...(timeLeftMs && { timeLeftMs }),
  });
  const contact = async () => {
    const all = await Promise.all((await edges()).map((edge) => ledger.inContact(edge)));
    const ok = all.filter(Boolean).length;
    return { ok, lost: all.length - ok };
  };
  // a Lambda's process is one of many and soon gone: what it would say of itself means nothing
  const metrics = new Metrics(
    { process: !pass },
    cachedFor(CONTACT_MS, contact),
    cachedFor(CONTACT_MS, () => pools.idle()),
  );

  const app = groundApp({ dialects, metrics, log });
  const partsOver = options.partsOver ?? LIMITS.partsOver;
  const connect = () => staging.origins();
  const { reference } = options;
  registerOpenRoutes(app, { metrics, dialects, partsOver, reference, connect });
  registerAuthRoutes(app, {
    accounts,
    tokens,
    throttle,
    trustProxy,
    admits,
  });
  for (const route of options.routes?.open ?? []) app.route("/", route);

  const agent = new Hono<GroundEnv>();
  agent.use(requireAgent({ accounts: recent }));
  for (const route of options.routes?.agent ?? []) agent.route("/", route);
  agent.route(
    "/",
    agentRoutes({
      ledger,
      staging,
      runs,
      inventory,
      podLogs,
      commandLogs,
      changes,
      quota,
      transfers,
      transferBudget,
      pools,
      windows,
      ...(live.wanted && { wanted: live.wanted }),
      ...(live.url !== undefined && { liveUrl: live.url }),
      log,
      onEnd: (c) => metrics.ended(c),
      keptContent: keptContent(dialects),
    }),
  );
  mountAgentRoutes(agent, mounted);
  app.route("/agent", agent);

  const ownLimit = limitOpen(LIMITS.openPerUser);
  const edgeParts = { ledger, inventory, pools, windows, quota, resolveEdge, now };
  const audit = new OperatorAudit(store, now);
  if (options.console !== undefined) {
    // a Lambda is paid by the time that it answers: there the console asks again and again
    if (!pass) {
      app.use("/console/events", requireUser({ accounts: recent, tokens }), ownLimit);
      registerConsoleEvents(app, edgeParts);
    }
    // the relay of its terminals may be at a host of its own
    const relay = live.url === undefined ? [] : [new URL(live.url.replace(/^http/, "ws")).origin];
    registerConsole(app, options.console, async () => [...(await connect()), ...relay]);
  }
  for (const path of [
    "/uplinks",
    "/uplinks/*",
    "/commands",
    "/commands/*",
    "/edge",
    "/edge/holdings",
    "/edges",
    "/edges/*",
    "/runners",
    "/runners/*",
    "/pods/*",
    "/sessions",
    "/operator/*",
  ]) {
    app.use(path, requireUser({ accounts: recent, tokens }), ownLimit);
  }
  mountDialects(app, mounted, ownLimit);
  registerUplinkRoutes(app, { uploads, dispatch, resolveEdge, orderOf, log, now });
  registerCommandLog(app, { ledger, rows, timeLeftMs });
  registerCommandRoutes(app, { ...content, ledger, waiting, dispatch, windows, now });
  registerEdgeRoutes(app, { ...edgeParts, grantedEdges: (user) => accounts.grantedEdges(user) });
  registerHoldings(app, { mounted, account: (name) => recent.getUser(name), resolveEdge });
  registerWindowRoutes(app, { windows, accounts: recent, audit, resolveEdge, log, now });
  app.use("/operator/*", requireOperator(accounts));
  registerOperatorRoutes(app, { ledger, windows, audit, doorbell, edges, log, now });
  registerRunnerRoutes(app, { pools });
  registerLiveRoutes(app, { live, ledger, runs, runners: pools, hosts, resolveEdge, now, log });
  const rounds = janitorRounds({
    janitor,
    mounted,
    removals: new Removals(store),
    pools,
    notes: live.notes,
    accounts,
    log,
  });
  return {
    app,
    ledger,
    accounts,
    staging,
    runs,
    janitor: rounds,
    dialects: mounted,
    dispatch,
    uploads,
    pools,
    live,
  };
}

import { Hono, type MiddlewareHandler } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import type { PodRun } from "#protocol/pod-run.ts";
import { hasRoute } from "../http/allowed-methods.ts";
import { answerThenDrain } from "../http/answer-then-drain.ts";
import { incomingOf } from "../http/body-stream.ts";
import { cutIdleBody } from "../http/cut-idle-body.ts";
import type { GroundEnv } from "../http/env.ts";
import { limitOpen } from "../http/limit-open.ts";
import { matchesPath } from "../http/path-patterns.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import type { AskedRun } from "./complete-run.ts";
import type { DialectCore } from "./core.ts";
import type { Dialect, DialectContext } from "./dialect.ts";
import { DialectPaths } from "./dialect-paths.ts";
import { ownDispatch } from "./own-dispatch.ts";
import { OwnRecords } from "./own-records.ts";

/** A dialect with the core that it uses. */
export type MountedDialect = { dialect: Dialect; core: DialectCore };

/** Each dialect with its core: what all of them use, and the records that are its own. */
export function coresOf(
  dialects: readonly Dialect[],
  store: LedgerStore,
  shared: Omit<DialectCore, "records">,
): MountedDialect[] {
  return dialects.map((dialect) => {
    const records = new OwnRecords(store, dialect.name);
    return { dialect, core: { ...shared, records, dispatch: ownDispatch(shared.dispatch, records) } };
  });
}

/**
 * Puts the dialects on an app: in front of each one's routes, its bounds and its authentication.
 * @param ownLimit bounds the requests of a user that Perigee's own API and these dialects have open together
 */
export function mountDialects(
  app: Hono<GroundEnv>,
  mounted: readonly MountedDialect[],
  ownLimit: MiddlewareHandler<GroundEnv>,
): void {
  const guards = mounted.map(({ dialect, core }) => {
    const { openPerUser } = dialect.bounds ?? {};
    return { dialect, core, limit: openPerUser === undefined ? ownLimit : limitOpen(openPerUser) };
  });
  const paths = new DialectPaths(mounted.map(({ dialect }) => dialect));
  app.use(async (c, next) => {
    const dialect = paths.at(c.req.path);
    const guard = guards.find((one) => one.dialect === dialect);
    if (!guard) {
      await next();
      return;
    }
    const open = isOpen(app, c, guard.dialect);
    const who = open ? undefined : await guard.dialect.authenticate(c, guard.core);
    if (who instanceof Response) return answerThenDrain(who, incomingOf(c));
    // counted from here, where the body will be read
    const { bodyIdleMs } = guard.dialect.bounds ?? {};
    const incoming = incomingOf(c);
    if (incoming && bodyIdleMs !== undefined) cutIdleBody(incoming, bodyIdleMs);
    if (who === undefined) {
      await next();
      return;
    }
    c.set("user", who);
    return guard.limit(c, next);
  });
  for (const { dialect, core } of mounted) dialect.mount(app, core);
}

/** A run with what each dialect adds to it. @throws INVALID_PARAMETERS when it names an FPGA image and no dialect has any */
export async function completedRun(mounted: readonly MountedDialect[], asked: AskedRun): Promise<PodRun> {
  const able = mounted.filter(({ dialect }) => dialect.completeRun !== undefined);
  const { fpgaImage } = asked;
  if (able.length === 0 && fpgaImage !== undefined && fpgaImage !== "none") {
    throw new PerigeeError("INVALID_PARAMETERS", "fpga_image: this ground has no FPGA images");
  }
  let { run } = asked;
  for (const { dialect, core } of able) run = (await dialect.completeRun?.(core, { ...asked, run })) ?? run;
  return run;
}

/** Puts the dialects' routes for the agent on the agent's app. */
export function mountAgentRoutes(agent: Hono<GroundEnv>, mounted: readonly MountedDialect[]): void {
  for (const { dialect, core } of mounted) {
    if (!dialect.agentRoutes) continue;
    const routes = new Hono<GroundEnv>();
    dialect.agentRoutes(routes, core);
    agent.route(`/dialects/${dialect.name}`, routes);
  }
}

/** Needs no authentication: an open path, or one that the dialect does not have and answers itself. */
function isOpen(app: Hono<GroundEnv>, c: DialectContext, { open, unknown }: Dialect): boolean {
  if (open?.some((pattern) => matchesPath(pattern, c.req.path))) return true;
  return unknown !== undefined && !isRouted(app, c);
}

function isRouted(app: Hono<GroundEnv>, c: DialectContext): boolean {
  const method = c.req.method === "HEAD" ? "GET" : c.req.method;
  return hasRoute(app.routes, { method, path: c.req.path });
}

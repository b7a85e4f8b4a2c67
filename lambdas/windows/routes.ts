import type { Context, Hono } from "hono";
import type { Logger } from "pino";
import type { ContactWindow, WindowPlan } from "#protocol/contact-window.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { readWindow, WindowFieldError, windowFields } from "#protocol/window-fields.ts";
import type { Account } from "../auth/accounts.ts";
import { invalid } from "../fields/form-values.ts";
import type { GroundEnv } from "../http/env.ts";
import { json } from "../http/json-answer.ts";
import { registerRoute } from "../http/route-handler.ts";
import type { OperatorAudit } from "../operator/audit.ts";
import { readJsonBody } from "../uplinks/json-body.ts";
import type { StoredWindows } from "./stored-windows.ts";

export type WindowRouteDeps = {
  windows: Pick<StoredWindows, "plan" | "change">;
  accounts: { getUser(name: string): Promise<Account | undefined> };
  audit: Pick<OperatorAudit, "note">;
  /** @throws EDGE_NOT_FOUND for an edge that is not granted */
  resolveEdge(user: string, edge: string | undefined): Promise<string>;
  log: Logger;
  /** the ground's clock, ms since 1970 */
  now: () => number;
};

type WindowContext = Context<GroundEnv>;

/**
 * `GET` and `PUT /edges/{edge}/windows`: the whole plan of an edge, for whoever may use the edge; only an operator
 * replaces it. The app needs, in front of it, a middleware that sets `user` or answers 401.
 */
export function registerWindowRoutes(app: Hono<GroundEnv>, deps: WindowRouteDeps): void {
  registerRoute(app, deps, {
    path: "/edges/:edge/windows",
    methods: ["GET", "PUT"],
    handle: (c) => (c.req.method === "PUT" ? replacePlan(c, deps) : showPlan(c, deps)),
  });
}

async function showPlan(c: WindowContext, deps: WindowRouteDeps): Promise<Response> {
  const edge = await deps.resolveEdge(c.get("user"), c.req.param("edge"));
  const plan = (await deps.windows.plan(edge)) ?? { revision: 0, windows: [] };
  return json({ message: "Successfully fetched windows", data: planFields(edge, plan) });
}

async function replacePlan(c: WindowContext, deps: WindowRouteDeps): Promise<Response> {
  const user = c.get("user");
  const edge = await deps.resolveEdge(user, c.req.param("edge"));
  const account = await deps.accounts.getUser(user);
  if (!account?.operator) {
    throw new PerigeeError("OPERATOR_ONLY", "Only an operator changes the plan of an edge");
  }
  const { windows, revision } = readBody(await readJsonBody(c, LIMITS.bodyBytes), deps.now());
  const about = [edge, `${windows.length} windows`];
  await deps.audit.note({ who: user, by: "http", verb: "window replace", about });
  const plan = await deps.windows.change(edge, (_before, current) => {
    if (revision === undefined || revision === current) return windows;
    throw new PerigeeError("PLAN_CHANGED", `The plan has revision ${current}`, {
      data: { revision: current },
    });
  });
  return json({ message: "Windows replaced", data: planFields(edge, plan) });
}

function planFields(edge: string, { revision, windows }: WindowPlan) {
  return { edge, revision, windows: windows.map(windowFields) };
}

/** @throws INVALID_PARAMETERS that names the window, the field and the rule */
function readBody(body: unknown, now: number): { windows: ContactWindow[]; revision?: number } {
  const given = isObject(body) ? body : { windows: body };
  const { windows, revision } = given;
  if (!Array.isArray(windows)) throw invalid("windows", "must be a list of windows");
  if (windows.length > LIMITS.windows) throw invalid("windows", `must be at most ${LIMITS.windows}`);
  const known = revision === undefined || revision === null;
  if (!known && !(Number.isSafeInteger(revision) && Number(revision) >= 0)) {
    throw invalid("revision", "must be a whole number");
  }
  return {
    windows: windows.map((one, i) => windowOf(one, i, now)),
    ...(!known && { revision: Number(revision) }),
  };
}

function windowOf(fields: unknown, i: number, now: number): ContactWindow {
  if (!isObject(fields)) throw invalid(`windows.${i}`, "must be an object");
  try {
    return readWindow(fields, now);
  } catch (error) {
    throw error instanceof WindowFieldError
      ? new PerigeeError("INVALID_PARAMETERS", `windows.${i}.${error.message}`)
      : error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

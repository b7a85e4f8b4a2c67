import type { Context, Hono } from "hono";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { EDGE } from "#protocol/names.ts";
import { edgeNotFound } from "../auth/edges.ts";
import { once, wholeNumber } from "../commands/query.ts";
import { invalid } from "../fields/form-values.ts";
import type { GroundEnv } from "../http/env.ts";
import { json } from "../http/json-answer.ts";
import { registerRoute } from "../http/route-handler.ts";
import type { Doorbell } from "../ports/doorbell.ts";
import { readJsonBody } from "../uplinks/json-body.ts";
import type { AuditEntry, OperatorAudit } from "./audit.ts";
import { type EdgeQueuesParts, operatorEdgeView, queuesView } from "./edge-queues.ts";

export type OperatorParts = EdgeQueuesParts & {
  audit: OperatorAudit;
  doorbell: Doorbell;
  /** ids of all edges, by name */
  edges(): Promise<string[]>;
  log: Logger;
};

type OperatorContext = Context<GroundEnv>;

export const MAX_AUDIT_PAGE = 200;

/**
 * The operator's view: every edge, who waits there, hold and release, and what operators did. It shows no input, no
 * result and no content of anybody. The app needs, in front of it, middlewares that set `user` and refuse who is none.
 */
export function registerOperatorRoutes(app: Hono<GroundEnv>, parts: OperatorParts): void {
  const route = (path: string, method: string, handle: (c: OperatorContext) => Promise<Response>) =>
    registerRoute(app, parts, { path, methods: [method], handle });
  route("/operator/edges", "GET", async () => {
    const edges = await parts.edges();
    const data = await Promise.all(edges.map((edge) => operatorEdgeView(parts, edge)));
    return json({ message: "Successfully listed edges", data });
  });
  route("/operator/edges/:edge/queues", "GET", async (c) => {
    const edge = await knownEdge(c, parts);
    return json({ message: "Successfully fetched queues", data: await queuesView(parts, edge) });
  });
  route("/operator/edges/:edge/hold", "POST", (c) => setHeld(c, parts, true));
  route("/operator/edges/:edge/release", "POST", (c) => setHeld(c, parts, false));
  route("/operator/audit", "GET", async (c) => {
    const limit = wholeNumber("limit", once(c, "limit") ?? "50", 1, MAX_AUDIT_PAGE);
    const given = once(c, "before");
    const before = given === undefined ? undefined : wholeNumber("before", given, 0, Number.MAX_SAFE_INTEGER);
    const entries = await parts.audit.page({ before, limit });
    const last = entries.at(-1);
    return json({
      message: "Successfully fetched the audit",
      data: entries.map(entryView),
      ...(last && entries.length === limit && last.n > 0 && { next: String(last.n) }),
    });
  });
}

async function setHeld(c: OperatorContext, parts: OperatorParts, hold: boolean): Promise<Response> {
  const { ledger, audit, doorbell } = parts;
  const edge = await knownEdge(c, parts);
  const lane = readLane(await readJsonBody(c, LIMITS.bodyBytes), Object.keys(ledger.widths()));
  // what changes nothing is no deed, and does not fill the audit
  if ((await isHeld(ledger, edge, lane)) !== hold) {
    await audit.note({
      who: c.get("user"),
      by: "http",
      verb: hold ? "edge hold" : "edge release",
      about: [edge, ...(lane === undefined ? [] : [`lane ${lane}`])],
    });
    await ledger.holdEdge({ edge, lane, hold });
  }
  if (!hold) await doorbell.ring(edge);
  const data = await operatorEdgeView(parts, edge);
  return json({ message: hold ? "Held" : "Released", data });
}

async function isHeld(
  ledger: OperatorParts["ledger"],
  edge: string,
  lane: string | undefined,
): Promise<boolean> {
  const lanes = await ledger.edgeLanes(edge);
  if (lane !== undefined) return lanes.get(lane)?.held?.lane !== undefined;
  return [...lanes.values()].some(({ held }) => held?.edge !== undefined);
}

/** @throws INVALID_PARAMETERS */
function readLane(body: unknown, lanes: readonly string[]): string | undefined {
  if (body === undefined) return undefined;
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new PerigeeError("INVALID_PARAMETERS", "The body must be a JSON object");
  }
  const { lane } = body as { lane?: unknown };
  if (lane === undefined || lane === null) return undefined;
  if (typeof lane !== "string" || !lanes.includes(lane)) {
    throw invalid("lane", `must be one of ${lanes.join(", ")}`);
  }
  return lane;
}

/** @throws EDGE_NOT_FOUND */
async function knownEdge(c: OperatorContext, { edges }: Pick<OperatorParts, "edges">): Promise<string> {
  const edge = c.req.param("edge") ?? "";
  if (!EDGE.test(edge) || !(await edges()).includes(edge)) throw edgeNotFound();
  return edge;
}

function entryView({ n, at, who, by, verb, about }: AuditEntry) {
  return { n, at: new Date(at).toISOString(), who, by, verb, about };
}

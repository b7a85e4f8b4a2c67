import type { Context, Hono } from "hono";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { ReadCommandOrder } from "../auth/command-order.ts";
import { answerOf } from "../commands/command-answer.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { invalid } from "../fields/form-values.ts";
import type { GroundEnv } from "../http/env.ts";
import { readIdempotency } from "../http/idempotency-key.ts";
import { json } from "../http/json-answer.ts";
import { readPrefer } from "../http/prefer.ts";
import { readQuery } from "../http/read-body.ts";
import { inCommand, registerRoute } from "../http/route-handler.ts";
import { FIRST_LANE } from "../ledger/first-lane.ts";
import { readJsonBody } from "./json-body.ts";
import { partsOf } from "./part-files.ts";
import { parse, partsRequest, readBaseRequest, readDelta, readOpenRequest } from "./request.ts";
import { uplinked } from "./uplinked.ts";
import type { PlannedPart } from "./upload-plan.ts";
import type { Upload, Uploads } from "./uploads.ts";
import { missingView, signedPartView, uploadView, urlsExpireAt } from "./view.ts";

const ALWAYS_QUEUED = readPrefer("respond-async");

type UplinkContext = Context<GroundEnv>;

export type UplinkDeps = {
  uploads: Uploads;
  dispatch: Pick<Dispatcher, "run">;
  /** The edge meant by the header `Perigee-Edge`, or by its absence. @throws EDGE_NOT_FOUND */
  resolveEdge(user: string, header: string | undefined): Promise<string>;
  orderOf: ReadCommandOrder;
  log: Logger;
  /** the ground's clock, ms since 1970 */
  now: () => number;
};

type Handle = (c: UplinkContext, deps: UplinkDeps) => Promise<Response>;

const ROUTES: readonly (readonly [path: string, method: "GET" | "POST", handle: Handle])[] = [
  ["/uplinks", "POST", openUplink],
  ["/uplinks/base", "POST", askForBase],
  ["/uplinks/:id", "GET", showUplink],
  ["/uplinks/:id/parts", "POST", signParts],
  ["/uplinks/:id/complete", "POST", completeUplink],
];

/**
 * Uplinks whose files come in parts, straight to staging: large ones, also where no large body passes, and over
 * connections that break. The app needs, in front of these, a middleware that sets
 * `user` or answers 401.
 */
export function registerUplinkRoutes(app: Hono<GroundEnv>, deps: UplinkDeps): void {
  for (const [path, method, handle] of ROUTES) {
    registerRoute(app, deps, { path, methods: [method], handle: (c) => handle(c, deps) });
  }
}

/** POST /uplinks */
async function openUplink(c: UplinkContext, deps: UplinkDeps): Promise<Response> {
  const user = c.get("user");
  const key = c.req.header("idempotency-key");
  readIdempotency(key, "uplinks", {});
  const order = await deps.orderOf(c, user);
  const body = await readJsonBody(c, LIMITS.uplinkPlanBytes);
  const plan = readOpenRequest(body, readQuery(c));
  const input = readDelta(body, plan);
  const edge = await deps.resolveEdge(user, c.req.header("perigee-edge"));
  const idempotency = readIdempotency(key, "uplinks", { edge, plan, ...(input && { input }) });
  const upload = await deps.uploads.open({
    user,
    edge,
    plan,
    ...order,
    ...(input && { operation: "volume.patch", input }),
    ...(idempotency && { idempotency }),
  });
  const missing = await deps.uploads.missing(upload);
  const data = await withParts(deps, upload, missing.slice(0, LIMITS.partUrls));
  return json({ message: "Upload opened", data: { ...data, missing: missing.length } }, 201, {
    location: `/uplinks/${upload.command.id}`,
  });
}

/** POST /uplinks/base: lists the chunks of a file on the edge, of which a delta is then made. */
async function askForBase(c: UplinkContext, deps: UplinkDeps): Promise<Response> {
  const user = c.get("user");
  const order = await deps.orderOf(c, user);
  const input = readBaseRequest(await readJsonBody(c, LIMITS.bodyBytes));
  const edge = await deps.resolveEdge(user, c.req.header("perigee-edge"));
  const { admission, wait } = ALWAYS_QUEUED;
  const asked = { user, edge, lane: FIRST_LANE, operation: "volume.chunks" as const, input, admission, wait };
  const answer = await deps.dispatch.run({ ...asked, ...order });
  // nobody waits here for its end
  return answerOf(deps, answer, ALWAYS_QUEUED, (result) => json({ message: "Chunks listed", data: result }));
}

/** GET /uplinks/{id} */
async function showUplink(c: UplinkContext, deps: UplinkDeps): Promise<Response> {
  const upload = await deps.uploads.find(c.get("user"), idOf(c));
  const missing = await deps.uploads.missing(upload);
  const data = { ...uploadView(upload), ...(upload.plan && missingView(missing)) };
  return json({ message: "Successfully fetched upload", data });
}

/** POST /uplinks/{id}/parts: of the parts named, or of the first that are missing. */
async function signParts(c: UplinkContext, deps: UplinkDeps): Promise<Response> {
  const asked = parse(partsRequest, (await readJsonBody(c, LIMITS.bodyBytes)) ?? {}).parts;
  const upload = await deps.uploads.find(c.get("user"), idOf(c));
  const message = "Successfully signed parts";
  if (!asked) {
    const missing = await deps.uploads.missing(upload);
    const data = await withParts(deps, upload, missing.slice(0, LIMITS.partUrls));
    return json({ message, data: { ...data, missing: missing.length } });
  }
  const named = asked.map((part, i) => namedPart(upload, part, i));
  const files = [...new Set(named.map(({ file }) => file))];
  const missing = new Set((await deps.uploads.missing(upload, files)).map(nameOf));
  const wanted = new Map(named.map((part) => [nameOf(part), part]));
  const arrived = [...wanted.values()].filter((part) => !missing.has(nameOf(part)));
  const data = await withParts(
    deps,
    upload,
    [...wanted.values()].filter((part) => missing.has(nameOf(part))),
  );
  return json({
    message,
    data: { ...data, arrived: arrived.map(({ file, number }) => ({ file: file.n, part: number })) },
  });
}

/** POST /uplinks/{id}/complete */
async function completeUplink(c: UplinkContext, deps: UplinkDeps): Promise<Response> {
  const preferred = readPrefer(c.req.header("prefer"));
  const upload = await deps.uploads.find(c.get("user"), idOf(c));
  try {
    const answer = await deps.uploads.complete(upload, preferred.wait);
    return await answerOf(deps, answer, preferred, uplinked);
  } catch (error) {
    throw inCommand(error, upload.command.id);
  }
}

async function withParts(deps: UplinkDeps, upload: Upload, parts: PlannedPart[]) {
  const { plan } = upload;
  if (!plan) return { ...uploadView(upload), parts: [] };
  const expires = urlsExpireAt(deps.now());
  const signed = await deps.uploads.sign(upload.command, parts);
  return {
    ...uploadView({ command: signed.command, plan }),
    parts: signed.parts.map((part) => signedPartView(part, plan.partSize)),
    parts_expire_at: expires,
    // for those whose clock is another
    parts_expire_in: LIMITS.partUrlMs / 1000,
  };
}

/** @throws INVALID_PARAMETERS when the upload has no such part */
function namedPart({ plan }: Upload, { file: n, part }: { file: number; part: number }, i: number) {
  const file = plan?.files.find((file) => file.n === n);
  const found = plan && file && partsOf(plan, file)[part - 1];
  if (found) return found;
  const why = plan ? "the upload has no such part" : "the upload takes no parts any more";
  throw invalid(`parts.${i}`, why);
}

function nameOf({ file, number }: PlannedPart): string {
  return `${file.n}.${number}`;
}

function idOf(c: UplinkContext): string {
  const id = c.req.param("id") ?? "";
  // what is no ULID is no key of the ledger either
  if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(id)) {
    throw new PerigeeError("UPLINK_NOT_FOUND", "There is no such upload");
  }
  return id;
}

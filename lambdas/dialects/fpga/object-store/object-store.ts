import { Hono } from "hono";
import { answerThenDrain } from "../../../http/answer-then-drain.ts";
import { incomingOf } from "../../../http/body-stream.ts";
import type { GroundEnv } from "../../../http/env.ts";
import { limitOpen } from "../../../http/limit-open.ts";
import type { DialectContext } from "../../dialect.ts";
import type { FpgaParts } from "../parts.ts";
import type { Project } from "../project.ts";
import { refusal } from "./answers.ts";
import { getBucket, headBucket, listBuckets, makeBucket, removeBucket } from "./bucket-requests.ts";
import { getObject, putObject, removeObject } from "./object-requests.ts";
import { storeCaller } from "./store-caller.ts";
import { refusalOf, StoreRefusal } from "./store-errors.ts";
import { onlyParameters, targetOf } from "./store-request.ts";

/** Requests that a user may have open at once. */
const OPEN = 200;

/** The object store for clients that know another cloud's: path style, signature version 2. */
export function objectStore(parts: FpgaParts): Hono<GroundEnv> {
  const app = new Hono<GroundEnv>();
  const limit = limitOpen(OPEN);
  const projects = new WeakMap<DialectContext, Project>();
  app.use(async (c, next) => {
    const project = await storeCaller(c, parts);
    projects.set(c, project);
    c.set("user", project.user);
    return limit(c, next);
  });
  app.all("*", (c) => answer(c, projects.get(c)!, parts));
  app.onError((error, c) => {
    const refused = refusalOf(error);
    if (refused.cause !== undefined) parts.core.log.error({ err: refused.cause }, refused.message);
    return answerThenDrain(refusal(refused, c.req.method), incomingOf(c));
  });
  return app;
}

async function answer(c: DialectContext, project: Project, parts: FpgaParts): Promise<Response> {
  const { userObjects } = parts;
  const target = targetOf(c);
  const { bucket, key, parameters } = target;
  const { method } = c.req;
  if (bucket === undefined) {
    onlyParameters(parameters);
    if (method === "GET") return listBuckets(project, userObjects);
    throw unknown(method);
  }
  if (key !== undefined) {
    onlyParameters(parameters);
    const at = { bucket, key };
    if (method === "PUT") return putObject(c, project, at, parts);
    if (method === "GET" || method === "HEAD") return getObject(c, project, at, parts);
    if (method === "DELETE") return removeObject(project, at, parts);
    throw unknown(method);
  }
  if (method === "GET") return getBucket(project, bucket, target, userObjects);
  onlyParameters(parameters);
  if (method === "PUT") return makeBucket(c, project, bucket, userObjects);
  if (method === "HEAD") return headBucket(project, bucket, userObjects);
  if (method === "DELETE") return removeBucket(project, bucket, userObjects);
  throw unknown(method);
}

function unknown(method: string): StoreRefusal {
  return new StoreRefusal("NotImplemented", `There is no ${method} here`);
}

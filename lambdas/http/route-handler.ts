import type { Context, Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { answerThenDrain } from "./answer-then-drain.ts";
import { incomingOf } from "./body-stream.ts";
import type { GroundEnv } from "./env.ts";
import { type ErrorContext, errorResponse } from "./errors.ts";

/** The command that an error belongs to, for the log and the body of a 500. */
const commandOf = new WeakMap<object, string>();

/** Remembers the command that `error` belongs to, and returns the error. */
export function inCommand(error: unknown, commandId: string): unknown {
  if (typeof error === "object" && error !== null) commandOf.set(error, commandId);
  return error;
}

export type RouteDeps = Pick<ErrorContext, "log" | "shape">;

/**
 * Puts a route on an app that answers `methods` at `path` and refuses any other with 405; HEAD, which Hono routes as
 * GET, unless it is named. What `handle` throws becomes an answer in the error shape, and an answer that comes before
 * the body was read reaches a client that is still sending.
 */
export function registerRoute<E extends GroundEnv>(
  app: Hono<E>,
  deps: RouteDeps,
  route: { path: string; methods: readonly string[]; handle: (c: Context<E>) => Promise<Response> },
): void {
  const { path, methods, handle } = route;
  const refuse = () => Promise.reject(methodNotAllowed(methods));
  const answer = (c: Context<E>) => (methods.includes(c.req.method) ? handle(c) : refuse());
  app.on([...methods], [path], (c) => answered(c, deps, answer));
  app.all(path, (c) => answered(c, deps, refuse));
}

async function answered<E extends GroundEnv>(
  c: Context<E>,
  deps: RouteDeps,
  handle: (c: Context<E>) => Promise<Response>,
): Promise<Response> {
  try {
    const response = await handle(c);
    return response.status < 400 ? response : await answerThenDrain(response, incomingOf(c));
  } catch (error) {
    const commandId = typeof error === "object" && error !== null ? commandOf.get(error) : undefined;
    return answerThenDrain(errorResponse(error, { ...deps, commandId }), incomingOf(c));
  }
}

/** 405 with `Allow`. */
export function methodNotAllowed(allow: readonly string[]): PerigeeError {
  return new PerigeeError("METHOD_NOT_ALLOWED", `This route answers ${allow.join(" and ")} only`, {
    data: { allow },
  });
}

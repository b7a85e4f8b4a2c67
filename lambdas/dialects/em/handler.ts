import { PerigeeError } from "#protocol/errors.ts";
import { answerThenDrain } from "../../http/answer-then-drain.ts";
import { incomingOf } from "../../http/body-stream.ts";
import { errorResponse } from "../../http/errors.ts";
import type { EmContext, EmDeps } from "./deps.ts";

/** The command that an error belongs to, for the log and the body of a 500. */
const commandOf = new WeakMap<object, string>();

/** Remembers the command that `error` belongs to, and returns the error. */
export function inCommand(error: unknown, commandId: string): unknown {
  if (typeof error === "object" && error !== null) commandOf.set(error, commandId);
  return error;
}

/**
 * Wraps a route: what it throws becomes the contract's answer, and an answer that comes before the body was
 * read reaches a client that is still sending. HEAD, which Hono routes as GET, is refused unless it is named.
 */
export function handler(
  deps: Pick<EmDeps, "log">,
  methods: readonly string[] | undefined,
  handle: (c: EmContext) => Promise<Response>,
): (c: EmContext) => Promise<Response> {
  return async (c) => {
    try {
      if (methods && !methods.includes(c.req.method)) throw methodNotAllowed(methods);
      const response = await handle(c);
      return response.status < 400 ? response : await answerThenDrain(response, incomingOf(c));
    } catch (error) {
      const commandId = typeof error === "object" && error !== null ? commandOf.get(error) : undefined;
      return answerThenDrain(errorResponse(error, { log: deps.log, commandId }), incomingOf(c));
    }
  };
}

/** 405 with `Allow`. */
export function methodNotAllowed(allow: readonly string[]): PerigeeError {
  return new PerigeeError("METHOD_NOT_ALLOWED", `This route answers ${allow.join(" and ")} only`, {
    data: { allow },
  });
}

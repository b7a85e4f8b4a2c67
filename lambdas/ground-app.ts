import { Hono } from "hono";
import { getPath } from "hono/utils/url";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import type { Dialect, DialectContext } from "./dialects/dialect.ts";
import { DialectPaths } from "./dialects/dialect-paths.ts";
import { allowedMethods } from "./http/allowed-methods.ts";
import { answerThenDrain } from "./http/answer-then-drain.ts";
import { incomingOf } from "./http/body-stream.ts";
import type { GroundEnv } from "./http/env.ts";
import { errorResponse } from "./http/errors.ts";
import { methodNotAllowed } from "./http/route-handler.ts";
import { SAFE_HEADERS } from "./http/safe-headers.ts";
import type { Metrics } from "./metrics/metrics.ts";

export type GroundAppDeps = { dialects: readonly Dialect[]; metrics: Metrics; log: Logger };

/** The app without routes: how paths are routed, and what is answered where no route does, or one throws. */
export function groundApp({ dialects, metrics, log }: GroundAppDeps): Hono<GroundEnv> {
  const paths = new DialectPaths(dialects);
  const app = new Hono<GroundEnv>({ getPath: (request) => paths.routed(getPath(request)) });
  const failed = (error: unknown, c: DialectContext) => {
    const shape = paths.at(c.req.path)?.errors;
    const response = errorResponse(error, { log, request: c.req.raw, ...(shape && { shape }) });
    return answerThenDrain(response, incomingOf(c));
  };
  app.onError(failed);
  app.notFound(async (c) => {
    const { method, path } = c.req;
    const allow = allowedMethods(app.routes, path);
    const unknown = paths.at(path)?.unknown;
    if (unknown) return answerThenDrain(unknown(c, allow), incomingOf(c));
    return failed(
      allow.length === 0
        ? new PerigeeError("NOT_FOUND", `There is no route ${method} ${path}`)
        : methodNotAllowed(allow),
      c,
    );
  });
  app.use(metrics.middleware());
  app.use(async (c, next) => {
    // set before, so that answers that are streamed pass untouched: those set it themselves
    for (const [name, value] of Object.entries(SAFE_HEADERS)) c.header(name, value);
    // never `return next()`: where nothing answered, Hono would send the returned context as if it were a response
    await next();
  });
  return app;
}

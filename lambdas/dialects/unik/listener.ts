import { Hono } from "hono";
import { answerThenDrain } from "../../http/answer-then-drain.ts";
import { incomingOf } from "../../http/body-stream.ts";
import type { GroundEnv } from "../../http/env.ts";
import { errorResponse } from "../../http/errors.ts";
import { limitOpen } from "../../http/limit-open.ts";
import type { DialectCore } from "../core.ts";
import type { DialectListener } from "../dialect.ts";
import { authenticate } from "./caller.ts";
import { errors } from "./errors.ts";
import { answer } from "./routes.ts";
import { UNIK_PORT } from "./settings.ts";

/** Requests that a user may have open at once: calls wait long, and logs are followed. */
export const OPEN = 500;

/** The listener for clients that cannot carry a prefix, where the operator wants one. */
export function unikListeners(core: DialectCore): DialectListener[] {
  const port = core.setting(UNIK_PORT.name);
  if (port === undefined) return [];
  return [{ name: "unik", port: Number(port), app: rootApp(core) }];
}

function rootApp(core: DialectCore): Hono<GroundEnv> {
  const app = new Hono<GroundEnv>();
  const limit = limitOpen(OPEN);
  app.use(async (c, next) => {
    c.set("user", await authenticate(c, core));
    return limit(c, next);
  });
  app.all("*", (c) => answer(c, core, ""));
  app.onError((error, c) => {
    const response = errorResponse(error, { log: core.log, request: c.req.raw, shape: errors });
    return answerThenDrain(response, incomingOf(c));
  });
  return app;
}

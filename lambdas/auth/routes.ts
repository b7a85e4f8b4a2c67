import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import type { GroundEnv } from "../http/env.ts";
import { NumberText } from "../http/json-text.ts";
import { readBody } from "../http/read-body.ts";
import { type ClientAddressOptions, clientAddress } from "./client-address.ts";
import { type AuthParts, identify } from "./identify.ts";
import type { Throttle } from "./throttle.ts";
import { ACCESS_SECONDS, REFRESH_SECONDS } from "./tokens.ts";

export type AuthRouteParts = AuthParts & ClientAddressOptions & { throttle: Throttle };

const BODY_BYTES = 64 * KiB;

const credentials = z.object({ username: z.string(), password: z.string() });
const refreshBody = z.object({ refresh: z.string() });
const access = z
  .string()
  .openapi({ description: `JWT for the other routes, valid ${ACCESS_SECONDS / 3600} h` });
const refresh = z.string().openapi({
  description: `JWT for /auth/refresh alone, valid ${REFRESH_SECONDS / 86_400} days`,
});
const problem = z.object({ error: z.string(), message: z.string() });
const refusal = problem.extend({ detail: z.string() });

/**
 * `POST /auth/` and `POST /auth/refresh` (em-api, "log in"): form or JSON in, tokens out.
 * Answers 400 INVALID_PARAMETERS, 401 INVALID_CREDENTIALS or UNAUTHORIZED, 413, 415, 429 TOO_MANY_ATTEMPTS.
 */
export function registerAuthRoutes(app: OpenAPIHono<GroundEnv>, parts: AuthRouteParts): void {
  const { accounts, tokens, throttle } = parts;

  describe(app, "/auth/", "Log in", credentials, z.object({ access, refresh }));
  app.on("POST", ["/auth", "/auth/"], async (c) => {
    const { username, password } = await readFields(c, ["username", "password"]);
    const account = await throttle.attempt(username, clientAddress(c, parts), () =>
      accounts.verifyPassword(username, password),
    );
    if (!account) throw new PerigeeError("INVALID_CREDENTIALS", "User name or password is wrong");
    c.header("cache-control", "no-store");
    return c.json({
      access: await tokens.issue(account, "access"),
      refresh: await tokens.issue(account, "refresh"),
    });
  });

  describe(app, "/auth/refresh", "A new access token", refreshBody, z.object({ access }));
  app.on("POST", ["/auth/refresh", "/auth/refresh/"], async (c) => {
    const fields = await readFields(c, ["refresh"]);
    const account = await identify(parts, fields.refresh, "refresh");
    c.header("cache-control", "no-store");
    return c.json({ access: await tokens.issue(account, "access") });
  });
}

/** Named fields of a form or JSON body, each a non-empty text. */
async function readFields<F extends string>(c: Context<GroundEnv>, names: F[]): Promise<Record<F, string>> {
  const fields = await readBody(c, BODY_BYTES);
  const values = names.map((name) => {
    const value = fields.get(name)?.[0];
    const text = value instanceof NumberText ? value.text : value;
    if (typeof text !== "string" || text === "") {
      throw new PerigeeError("INVALID_PARAMETERS", `${name}: is required and must be a text`);
    }
    return [name, text];
  });
  return Object.fromEntries(values);
}

/** The route's part of /openapi.json; its body is read by our own bounded reader, not by a validator. */
function describe(
  app: OpenAPIHono<GroundEnv>,
  path: string,
  summary: string,
  body: z.ZodObject,
  answer: z.ZodObject,
): void {
  const json = (schema: z.ZodType) => ({ "application/json": { schema } });
  app.openAPIRegistry.registerPath({
    method: "post",
    path,
    summary,
    tags: ["Auth"],
    security: [],
    request: {
      body: {
        required: true,
        content: {
          ...json(body),
          "application/x-www-form-urlencoded": { schema: body },
          "multipart/form-data": { schema: body },
        },
      },
    },
    responses: {
      200: { description: "Tokens", content: json(answer) },
      400: { description: "A field is missing", content: json(problem) },
      401: { description: "Wrong credentials or token", content: json(refusal) },
      413: { description: "The body is over 64 KiB", content: json(problem) },
      415: { description: "The body is neither a form nor JSON", content: json(problem) },
      429: {
        description: "Too many failed log-ins; wait as Retry-After says",
        content: json(problem.extend({ retry_after: z.number() })),
      },
    },
  });
}

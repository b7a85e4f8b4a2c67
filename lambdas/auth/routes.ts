import type { Context, Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import type { GroundEnv } from "../http/env.ts";
import { NumberText } from "../http/json-text.ts";
import { readBody } from "../http/read-body.ts";
import { type ClientAddressOptions, clientAddress } from "./client-address.ts";
import { type AuthParts, identify } from "./identify.ts";
import { type LogInParts, verifyLogIn } from "./verify-log-in.ts";

export type AuthRouteParts = AuthParts & ClientAddressOptions & LogInParts;

const BODY_BYTES = 64 * KiB;

/**
 * `POST /auth/` and `POST /auth/refresh` (em-api, "log in"): form or JSON in, tokens out.
 * Answers 400 INVALID_PARAMETERS, 401 INVALID_CREDENTIALS or UNAUTHORIZED, 413, 415, 429 TOO_MANY_ATTEMPTS.
 */
export function registerAuthRoutes(app: Hono<GroundEnv>, parts: AuthRouteParts): void {
  const { tokens, admits = async () => true } = parts;

  app.on("POST", ["/auth", "/auth/"], async (c) => {
    const { username, password } = await readFields(c, ["username", "password"]);
    const account = await verifyLogIn(parts, { name: username, password, address: clientAddress(c, parts) });
    c.header("cache-control", "no-store");
    return c.json({
      access: await tokens.issue(account, "access"),
      refresh: await tokens.issue(account, "refresh"),
    });
  });

  app.on("POST", ["/auth/refresh", "/auth/refresh/"], async (c) => {
    const fields = await readFields(c, ["refresh"]);
    const account = await identify(parts, fields.refresh, "refresh");
    if (!(await admits(account))) throw new PerigeeError("UNAUTHORIZED", "Token is invalid or expired");
    c.header("cache-control", "no-store");
    return c.json({ access: await tokens.issue(account, "access") });
  });
}

/** Named fields of a form or JSON body, each a non-empty text. */
async function readFields<F extends string>(c: Context<GroundEnv>, names: F[]): Promise<Record<F, string>> {
  const fields = await readBody(c, {
    isField: (name) => names.some((known) => known === name),
    maxBytes: BODY_BYTES,
  });
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

import type { Context } from "hono";
import { incomingOf, keepBody } from "./body-stream.ts";
import type { GroundEnv } from "./env.ts";
import { collectBody } from "./read-body.ts";

/**
 * The request's target as it arrived, before any URL class has folded or decoded it: for signatures. Behind a function
 * URL it is what the event holds.
 */
export function rawTarget(c: Context<GroundEnv>): string {
  const target = incomingOf(c)?.url ?? c.env?.target;
  if (target !== undefined) return target;
  const { pathname, search } = new URL(c.req.url);
  return `${pathname}${search}`;
}

/**
 * The body as it arrived, for signatures. Whoever reads the body afterwards reads these bytes again.
 * @throws BODY_TOO_LARGE, INVALID_PARAMETERS when it is cut or late
 */
export async function rawBody(c: Context<GroundEnv>, maxBytes: number): Promise<Buffer> {
  const bytes = await collectBody(c, maxBytes);
  keepBody(c, bytes);
  return bytes;
}

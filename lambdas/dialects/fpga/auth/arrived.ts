import type { Context } from "hono";
import type { GroundEnv } from "../../../http/env.ts";
import type { PublicHosts } from "../../../http/public-hosts.ts";
import { rawBody, rawTarget } from "../../../http/raw-request.ts";
import type { SignedRequest } from "./signed-request.ts";

/**
 * The request as it arrived, before any class for URLs has changed its target. Its body can be read again afterwards.
 * @param maxBytes of the body; undefined: it is not read
 * @throws BODY_TOO_LARGE over `maxBytes`
 */
export async function arrived(
  c: Context<GroundEnv>,
  hosts: PublicHosts,
  maxBytes: number | undefined,
): Promise<SignedRequest> {
  const host = c.req.header("host");
  return {
    method: c.req.method,
    target: rawTarget(c),
    header: (name) => c.req.header(name),
    headersOf: (prefix) => Object.entries(c.req.header()).filter(([name]) => name.startsWith(prefix)),
    body: maxBytes === undefined ? Buffer.alloc(0) : await rawBody(c, maxBytes),
    // as the client wrote it, too: it may have signed capital letters
    hosts: [...new Set([...(host === undefined ? [] : [host]), ...hosts.candidates(c)])],
  };
}

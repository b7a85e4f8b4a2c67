import type { Context } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundEnv } from "../http/env.ts";

/** Reads a whole body of at most `max` bytes. @throws BODY_TOO_LARGE */
export async function readBytes(c: Context<GroundEnv>, max: number): Promise<Buffer> {
  const source: AsyncIterable<Uint8Array> | null = c.env?.incoming ?? c.req.raw.body;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source ?? []) {
    size += chunk.length;
    if (size > max) throw new PerigeeError("BODY_TOO_LARGE", `The body is over ${max} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads a JSON body. @throws BODY_TOO_LARGE, INVALID_PARAMETERS */
export async function readJson(c: Context<GroundEnv>, max: number): Promise<unknown> {
  const bytes = await readBytes(c, max);
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new PerigeeError("INVALID_PARAMETERS", "body: must be JSON");
  }
}

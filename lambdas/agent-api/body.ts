import type { Context } from "hono";
import type * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { GroundEnv } from "../http/env.ts";
import { readJson } from "./read.ts";

/** The checked body of an agent's request. @throws INVALID_PARAMETERS, BODY_TOO_LARGE */
export async function body<T extends z.ZodType>(
  c: Context<GroundEnv>,
  schema: T,
  max: number = LIMITS.bodyBytes,
): Promise<z.infer<T>> {
  return parse(schema, await readJson(c, max));
}

/** `value`, checked. @throws INVALID_PARAMETERS which names the field */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PerigeeError("INVALID_PARAMETERS", `${issue?.path.join(".") || "body"}: ${issue?.message}`);
}

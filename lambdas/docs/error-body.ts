import { z } from "@hono/zod-openapi";

/** What every refusal answers with. */
export const errorBody = z
  .object({ error: z.string(), message: z.string() })
  .catchall(z.unknown())
  .openapi("Error", { description: "`error` is a stable code; further fields belong to the code." });

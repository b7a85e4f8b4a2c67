/** The ground's server as it is, with one dialect more: many-dialect.ts. */
import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import { many } from "./many-dialect.ts";

(DIALECTS as Dialect[]).push(many);
await import("#lambdas/entries/server.ts");

import type { Hono } from "hono";
import type { Dialect } from "../dialects/dialect.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Metrics } from "../metrics/metrics.ts";

const DOCS_HEADERS = {
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
  "x-content-type-options": "nosniff",
};

export type OpenRouteDeps = {
  metrics: Metrics;
  dialects: readonly Dialect[];
  /** bytes of an uplink over which clients are told to send it in parts */
  partsOver: number;
};

/** What the ground tells of itself without a token: open-routes.ts describes it. */
export function registerOpenRoutes(
  app: Hono<GroundEnv>,
  { metrics, dialects, partsOver }: OpenRouteDeps,
): void {
  // so that a client learns how to send before it sends: no token, no edge, no body
  app.get("/healthz", (c) => c.json({ status: "ok", uplinks: { parts_over: partsOver } }));
  app.get("/metrics", async (c) => {
    const { text, contentType } = await metrics.scrape();
    return c.body(text, 200, { "content-type": contentType, "x-content-type-options": "nosniff" });
  });
  const document = async () => (await import("./document.ts")).apiDocument(dialects);
  app.get("/openapi.json", async (c) => c.json(await document()));
  app.get("/docs", async (c) => {
    const { docsPage } = await import("./page.ts");
    return c.html(docsPage(await document()), 200, DOCS_HEADERS);
  });
}

import type { Hono } from "hono";
import { registerAssets } from "../assets/register-assets.ts";
import type { Dialect } from "../dialects/dialect.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Metrics } from "../metrics/metrics.ts";

export type OpenRouteDeps = {
  metrics: Metrics;
  dialects: readonly Dialect[];
  /** bytes of an uplink over which clients are told to send it in parts */
  partsOver: number;
  /** folder with the files of the page that shows the document (default: there is no such page) */
  reference?: string | undefined;
  /** origins to which answers lead */
  connect: () => Promise<readonly string[]>;
};

/** What the ground tells of itself without a token: open-routes.ts describes it. */
export function registerOpenRoutes(
  app: Hono<GroundEnv>,
  { metrics, dialects, partsOver, reference, connect }: OpenRouteDeps,
): void {
  // so that a client learns how to send before it sends: no token, no edge, no body
  app.get("/healthz", (c) => c.json({ status: "ok", uplinks: { parts_over: partsOver, deltas: true } }));
  app.get("/metrics", async (c) => {
    const { text, contentType } = await metrics.scrape();
    return c.body(text, 200, { "content-type": contentType, "x-content-type-options": "nosniff" });
  });
  app.get("/openapi.json", async (c) => {
    const { apiDocument } = await import("./document.ts");
    return c.json(await apiDocument(dialects));
  });
  if (reference !== undefined) {
    registerAssets(app, "/docs", { folder: reference, policy: { dataImages: true }, connect });
  }
}

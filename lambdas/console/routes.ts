import type { Hono } from "hono";
import { registerAssets } from "../assets/register-assets.ts";
import type { GroundEnv } from "../http/env.ts";

/**
 * The console at `/console`, and the way there for a browser that asks for `/`. Whoever else asks for `/` gets what
 * there was before.
 * @param folder with the console's files
 * @param connect origins that files are sent to and brought from, where that is not the ground
 */
export function registerConsole(
  app: Hono<GroundEnv>,
  folder: string,
  connect: () => Promise<readonly string[]>,
): void {
  app.use("/", async (c, next) => {
    const reads = c.req.method === "GET" || c.req.method === "HEAD";
    if (reads && wantsHtml(c.req.header("accept"))) return c.redirect("/console", 302);
    await next();
    return undefined;
  });
  // WebAssembly is the hash of uplinks
  registerAssets(app, "/console", { folder, policy: { wasm: true }, connect });
}

/** A browser names HTML itself; `curl` and clients of APIs take anything. */
function wantsHtml(accept = ""): boolean {
  return accept.split(",").some((item) => item.trim().split(";")[0]?.trim().toLowerCase() === "text/html");
}

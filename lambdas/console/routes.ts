import type { Context, Hono } from "hono";
import type { GroundEnv } from "../http/env.ts";
import { type ConsoleFile, readConsoleFiles } from "./console-files.ts";

/** Nothing runs that is not ours, and nothing is asked of another origin; WebAssembly is the hash of uplinks. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  vary: "accept-encoding",
};
const PAGE = "index.html";

/**
 * The console at `/console`, and the way there for a browser that asks for `/`. Whoever else asks for `/` gets what
 * there was before.
 * @param folder with the console's files, read when they are first asked for
 */
export function registerConsole(app: Hono<GroundEnv>, folder: string): void {
  let read: ReadonlyMap<string, ConsoleFile> | undefined;
  const files = () => {
    read ??= readConsoleFiles(folder);
    return read;
  };

  app.use("/", async (c, next) => {
    const reads = c.req.method === "GET" || c.req.method === "HEAD";
    if (reads && wantsHtml(c.req.header("accept"))) return c.redirect("/console", 302);
    await next();
    return undefined;
  });
  app.get("/console", (c) => answer(c, files().get(PAGE)!, "no-cache"));
  app.get("/console/:file", async (c) => {
    const name = c.req.param("file");
    const file = name === PAGE ? undefined : files().get(name);
    // their names change with their content
    return file ? answer(c, file, "public, max-age=31536000, immutable") : c.notFound();
  });
}

function answer(c: Context, { type, body, gzip }: ConsoleFile, cacheControl: string): Response {
  const packed = gzip && /\bgzip\b/.test(c.req.header("accept-encoding") ?? "") ? gzip : undefined;
  return c.body(packed ?? body, 200, {
    ...HEADERS,
    "cache-control": cacheControl,
    "content-type": type,
    ...(packed && { "content-encoding": "gzip" }),
  });
}

/** A browser names HTML itself; `curl` and clients of APIs take anything. */
function wantsHtml(accept = ""): boolean {
  return accept.split(",").some((item) => item.trim().split(";")[0]?.trim().toLowerCase() === "text/html");
}

import { Hono } from "hono";
import { type Served, serve } from "#lambdas/http/serve.ts";

/** What version 0.3 had not: the first part of a path below `/agent/`, and fields of its answers. */
const LATER_ROUTES = new Set(["live", "pool"]);
const LATER_FIELDS = ["live", "pools"];

/** A ground of version 0.3, as far as an agent can tell: it hands on to a ground of today what that version knew. */
export async function serveThirdGround(url: string): Promise<Served & { missed: string[] }> {
  const missed: string[] = [];
  const app = new Hono();
  app.all("*", async (c) => {
    const { pathname, search } = new URL(c.req.url);
    const [, first, second = ""] = pathname.split("/");
    if (first === "agent" && LATER_ROUTES.has(second)) {
      missed.push(second);
      return c.json({ error: "NOT_FOUND", message: "There is no such route" }, 404);
    }
    const { method } = c.req;
    const body = method === "GET" ? undefined : await c.req.arrayBuffer();
    const headers = new Headers(c.req.raw.headers);
    for (const name of ["host", "connection", "content-length", "accept-encoding"]) headers.delete(name);
    const { signal } = c.req.raw;
    const answer = await fetch(`${url}${pathname}${search}`, {
      method,
      headers,
      signal,
      ...(body && { body }),
    });
    if (first !== "agent" || !answer.headers.get("content-type")?.includes("json")) return answer;
    const told = (await answer.json()) as Record<string, unknown>;
    for (const field of LATER_FIELDS) delete told[field];
    return Response.json(told, { status: answer.status });
  });
  return { ...(await serve(app, { host: "127.0.0.1", port: 0 })), missed };
}

import { Hono } from "hono";
import { type Served, serve } from "#lambdas/http/serve.ts";

/** Fields of the bodies of version 0.1, by route of the agent's API; any other route was not there. */
const FIRST_ROUTES: Record<string, readonly string[] | undefined> = {
  start: ["journal", "version"],
  claim: ["epoch"],
  progress: ["epoch", "user", "command", "progress"],
  report: ["epoch", "user", "command", "outcome"],
  urls: ["epoch", "user", "command", "get", "put"],
  heartbeat: ["epoch", "nodes", "usage", "free"],
  pods: ["epoch", "pods"],
};

/**
 * A ground with the agent's routes of version 0.1 only, as far as an agent can tell: it hands their fields on to a
 * ground of today, and answers 404 to every other route and 400 to what lacks the fields of then.
 */
export async function serveFirstGround(url: string): Promise<Served & { missed: Set<string> }> {
  const missed = new Set<string>();
  const app = new Hono();
  const headersOf = (headers: Headers) => {
    const { authorization = "" } = Object.fromEntries(headers);
    return { authorization, "content-type": "application/json" };
  };
  app.post("/agent/*", async (c) => {
    const name = c.req.path.slice("/agent/".length);
    const fields = FIRST_ROUTES[name];
    if (!fields) {
      missed.add(name);
      return c.json({ error: "NOT_FOUND", message: "There is no such route" }, 404);
    }
    const sent = (await c.req.json()) as Record<string, unknown>;
    const known = Object.fromEntries(fields.filter((one) => one in sent).map((one) => [one, sent[one]]));
    const headers = headersOf(c.req.raw.headers);
    const answer = await fetch(`${url}/agent/${name}`, {
      method: "POST",
      headers,
      body: JSON.stringify(known),
    });
    if (answer.status === 204) return c.body(null, 204);
    const { lanes: _, ...body } = (await answer.json()) as Record<string, unknown>;
    return Response.json(body, { status: answer.status });
  });
  app.get("/agent/doorbell", async (c) => {
    const { search } = new URL(c.req.url);
    const { signal } = c.req.raw;
    return fetch(`${url}/agent/doorbell${search}`, { headers: headersOf(c.req.raw.headers), signal });
  });
  app.all("/staging/*", async (c) => {
    const { pathname, search } = new URL(c.req.url);
    const body = c.req.method === "PUT" ? await c.req.arrayBuffer() : undefined;
    return fetch(`${url}${pathname}${search}`, { method: c.req.method, ...(body && { body }) });
  });
  app.all("*", (c) => {
    missed.add(c.req.path.replace("/agent/", ""));
    return c.json({ error: "NOT_FOUND", message: "There is no such route" }, 404);
  });
  return { ...(await serve(app, { host: "127.0.0.1", port: 0 })), missed };
}

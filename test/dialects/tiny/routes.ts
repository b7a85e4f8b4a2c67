import { createHmac } from "node:crypto";
import { Hono } from "hono";
import type { DialectCore } from "#lambdas/dialects/core.ts";
import { bodyStream } from "#lambdas/http/body-stream.ts";
import type { GroundEnv } from "#lambdas/http/env.ts";
import { rawBody, rawTarget } from "#lambdas/http/raw-request.ts";
import { jobsOf, submitJob } from "./jobs.ts";
import { notes } from "./notes.ts";

export function mount(app: Hono<GroundEnv>, core: DialectCore): void {
  app.get("/tiny/hello", (c) => {
    if (!core.hosts.knows(c)) return c.text("another host", 403);
    return c.json({
      greeting: core.setting("TINY_GREETING") ?? null,
      self: `${core.hosts.origin(c)}/tiny/hello`,
    });
  });
  app.get("/tiny/jobs", async (c) => c.json(await jobsOf(core, c.get("user"))));
  app.post("/tiny/jobs", async (c) => {
    const user = c.get("user");
    const edge = await core.resolveEdge(user, c.req.header("perigee-edge"));
    return c.json(await submitJob(core, user, edge), 201);
  });
  app.get("/tiny/jobs/:command", async (c) => {
    const { state, lane } = await core.commands.command(c.get("user"), c.req.param("command"));
    return c.json({ state, lane });
  });
  app.delete("/tiny/jobs/:command", async (c) => {
    const { state } = await core.dispatch.cancel(c.get("user"), c.req.param("command"));
    return c.json({ state });
  });
  app.put("/tiny/notes/:name", async (c) => {
    const body = bodyStream(c) ?? Buffer.alloc(0);
    const { size } = await core.staging.put(keyOf(c.get("user"), c.req.param("name")), body, {
      maxBytes: 1000,
    });
    return c.json({ size });
  });
  app.get("/tiny/notes/:name", async (c) => {
    const { body } = await core.staging.get(keyOf(c.get("user"), c.req.param("name")));
    return c.text(Buffer.concat(await body.toArray()).toString());
  });
  // signed over the request as it was sent, and read again by the route
  app.post("/tiny/signed/*", async (c) => {
    const bytes = await rawBody(c, 1000);
    const signature = createHmac("sha256", "key")
      .update(`${rawTarget(c)}\n`)
      .update(bytes)
      .digest("hex");
    if (signature !== c.req.header("signature")) return c.text(`not signed: ${rawTarget(c)}`, 403);
    return c.text(Buffer.concat(await bodyStream(c)!.toArray()).toString());
  });
  app.get("/tiny/fault", () => {
    throw new Error("the inside of the server");
  });
}

/** On a listener of its own its routes are at the root. */
export function mountListener(core: DialectCore): Hono<GroundEnv> {
  return new Hono<GroundEnv>().get("/hello", (c) =>
    c.json({ greeting: core.setting("TINY_GREETING") ?? null }),
  );
}

const keyOf = (user: string, name: string) => `${notes}/${user}/${name}`;

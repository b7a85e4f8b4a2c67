import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { Hono } from "hono";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { GroundEnv } from "./env.ts";
import { errorResponse } from "./errors.ts";
import { limitOpen } from "./limit-open.ts";
import { serve } from "./serve.ts";

const log = pino({ level: "silent" });
let server: Awaited<ReturnType<typeof serve>>;
/** one for every stream that the server ended, or whose client went */
let cancelled: PromiseWithResolvers<void>;

beforeEach(async () => {
  cancelled = Promise.withResolvers();
  const app = new Hono<GroundEnv>();
  app.onError((error) => errorResponse(error, { log }));
  app.use(async (c, next) => {
    c.set("user", c.req.header("user")!);
    await next();
  });
  const limit = limitOpen(2);
  app.use("/*", limit);
  app.use("/stream/*", limit);
  app.get("/once", (c) => c.text("ok"));
  app.get("/fails", () => {
    throw new Error("on purpose");
  });
  app.get("/stream", () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("first")),
      cancel: () => cancelled.resolve(),
    });
    return new Response(body);
  });
  server = await serve(app, { host: "127.0.0.1", port: 0 });
});
afterEach(() => server.close(0));

async function stream(user: string): Promise<ClientRequest> {
  const sent = request(`${server.url}/stream`, { agent: false, headers: { user } }).on("error", () => {});
  sent.end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.on("error", () => {});
  await once(answer, "data");
  return sent;
}

const status = async (user: string, path = "/once") =>
  (await fetch(`${server.url}${path}`, { headers: { user, connection: "close" } })).status;

test("what is open is bounded for each user alone, and a place is free when a client has gone", async () => {
  const first = await stream("bob");
  await stream("bob");
  const refused = await fetch(`${server.url}/once`, { headers: { user: "bob" } });
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ error: "TOO_MANY_REQUESTS" });
  expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
  expect(await status("alice")).toBe(200);
  first.destroy();
  await cancelled.promise;
  expect(await status("bob")).toBe(200);
});

test("what has been answered, well or badly, counts no more", async () => {
  for (let i = 0; i < 5; i++) {
    expect(await status("bob")).toBe(200);
    expect(await status("bob", "/fails")).toBe(500);
  }
});

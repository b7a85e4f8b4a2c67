import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { Hono } from "hono";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { GroundEnv } from "./env.ts";
import { errorResponse } from "./errors.ts";
import { limitOpen } from "./limit-open.ts";
import { serve } from "./serve.ts";

const log = pino({ level: "silent" });
let server: Awaited<ReturnType<typeof serve>>;
/** one for every stream that the server ended, or whose client went */
let cancelled: PromiseWithResolvers<void>;
/** resolves when a request to /late has come in */
let late: PromiseWithResolvers<void>;
const answered = vi.fn<(response: Response) => void>();

beforeEach(async () => {
  cancelled = Promise.withResolvers();
  late = Promise.withResolvers();
  answered.mockClear();
  const app = new Hono<GroundEnv>();
  app.onError((error) => errorResponse(error, { log }));
  // a middleware as many are written: Hono takes what it returns for the answer where there is none
  app.use((_c, next) => next());
  app.use(async (c, next) => {
    c.set("user", c.req.header("user")!);
    if (c.req.path === "/late") {
      // as when the account is read from a database far away
      late.resolve();
      await once(c.env.outgoing!, "close");
    }
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
  app.get("/late", (c) => c.text("nobody hears it"));
  const fetch = async (...call: Parameters<typeof app.fetch>) => {
    const answer = await app.fetch(...call);
    answered(answer);
    return answer;
  };
  server = await serve({ fetch }, { host: "127.0.0.1", port: 0 });
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

test("a client that goes while its token is checked has no place and leaves a whole answer", async () => {
  const errors = vi.spyOn(console, "error").mockImplementation(() => {});
  const sent = request(`${server.url}/late`, { agent: false, headers: { user: "bob" } }).on(
    "error",
    () => {},
  );
  sent.end();
  await late.promise;
  sent.destroy();
  await vi.waitFor(() => expect(answered).toHaveBeenCalledOnce(), { timeout: 90_000 });
  const [answer] = answered.mock.calls[0]!;
  expect(answer).toBeInstanceOf(Response);
  expect(answer.status).toBe(499);
  // a place each: had the first kept its own, the second would be refused
  await stream("bob");
  await stream("bob");
  expect(errors).not.toHaveBeenCalled();
  errors.mockRestore();
});

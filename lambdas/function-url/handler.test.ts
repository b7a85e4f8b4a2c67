import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { LambdaFunctionURLEvent } from "aws-lambda";
import { Hono } from "hono";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { TimeLeft } from "../http/time-left.ts";
import { bufferedHandler, type LambdaRuntime, streamingHandler } from "./handler.ts";

const log = pino({ level: "silent" });

function event(
  method: string,
  path: string,
  rest: Partial<LambdaFunctionURLEvent> & { query?: string } = {},
): LambdaFunctionURLEvent {
  const { query, ...over } = rest;
  return {
    version: "2.0",
    rawPath: path,
    rawQueryString: query ?? "",
    headers: { host: "ground.example" },
    isBase64Encoded: false,
    requestContext: { http: { method, path, sourceIp: "192.0.2.7" }, domainName: "ground.example" },
    ...over,
  } as unknown as LambdaFunctionURLEvent;
}

const context = { getRemainingTimeInMillis: () => 60_000 };

function echo() {
  const app = new Hono<{ Bindings: { remoteAddress?: string } }>();
  app.all("*", async (c) =>
    c.json({
      method: c.req.method,
      url: c.req.url,
      headers: c.req.header(),
      body: Buffer.from(await c.req.arrayBuffer()).toString("latin1"),
      from: c.env.remoteAddress,
    }),
  );
  return app;
}

const buffered = (app: Hono<never> | Hono) =>
  bufferedHandler({ app: app as never, timeLeft: new TimeLeft(), log });

describe("what the app sees", () => {
  const see = async (e: LambdaFunctionURLEvent) =>
    JSON.parse((await buffered(echo() as never)(e, context)).body);

  test("path, query and doubled slashes as they came, the address of the caller", async () => {
    expect(await see(event("GET", "//em/files/list", { query: "pod_name=a%20b&x=" }))).toMatchObject({
      method: "GET",
      url: "https://ground.example//em/files/list?pod_name=a%20b&x=",
      from: "192.0.2.7",
    });
  });

  test("text and base64 bodies, byte for byte, with their length", async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 200]);
    const seen = await see(event("POST", "/", { body: bytes.toString("base64"), isBase64Encoded: true }));
    expect(seen.body).toBe(bytes.toString("latin1"));
    expect(seen.headers["content-length"]).toBe("5");
    expect((await see(event("POST", "/", { body: "ü" }))).headers["content-length"]).toBe("2");
  });

  test("a header beyond ASCII, which a Request would refuse", async () => {
    const seen = await see(event("GET", "/", { headers: { host: "h", "x-name": "名" } }));
    expect(Buffer.from(seen.headers["x-name"], "latin1").toString()).toBe("名");
  });

  test("a GET with a body is a GET; cookies are joined", async () => {
    const seen = await see(event("GET", "/", { body: "x", cookies: ["a=1", "b=2"] }));
    expect(seen.body).toBe("");
    expect(seen.headers.cookie).toBe("a=1; b=2");
  });

  test("what is no request is 400", async () => {
    const answer = await buffered(echo() as never)(event("TRACE", "/"), context);
    expect(answer.statusCode).toBe(400);
    expect(JSON.parse(answer.body).error).toBe("INVALID_PARAMETERS");
  });
});

describe("the answer", () => {
  test("text stays text, bytes are base64, cookies are apart", async () => {
    const app = new Hono();
    app.get("/json", (c) => c.json({ message: "Grüße" }, 201));
    app.get("/packed", (c) =>
      c.body(new Uint8Array([0, 255]), 200, { "content-type": "text/html", "content-encoding": "gzip" }),
    );
    app.get("/bytes", (c) => {
      c.header("set-cookie", "a=1");
      c.header("set-cookie", "b=2", { append: true });
      return c.body(new Uint8Array([0, 255]), 200, { "content-type": "application/octet-stream" });
    });
    expect(await buffered(app)(event("GET", "/json"), context)).toMatchObject({
      statusCode: 201,
      body: '{"message":"Grüße"}',
      isBase64Encoded: false,
    });
    const packed = await buffered(app)(event("GET", "/packed"), context);
    expect(packed).toMatchObject({ body: "AP8=", isBase64Encoded: true });
    const answer = await buffered(app)(event("GET", "/bytes"), context);
    expect(answer).toMatchObject({ body: "AP8=", isBase64Encoded: true, cookies: ["a=1", "b=2"] });
    expect(answer.headers["set-cookie"]).toBeUndefined();
  });

  test("the invocation's time is told", async () => {
    const timeLeft = new TimeLeft();
    expect(timeLeft.ms).toBe(Number.POSITIVE_INFINITY);
    const app = new Hono().get("/", (c) => c.text(""));
    await bufferedHandler({ app, timeLeft, log })(event("GET", "/"), context);
    expect(timeLeft.ms).toBeLessThanOrEqual(60_000);
    expect(timeLeft.ms).toBeGreaterThan(0);
  });
});

describe("streamed", () => {
  /** Lambda's runtime as far as a handler sees it. */
  function runtime() {
    const heads: unknown[] = [];
    const lambda: LambdaRuntime = {
      streamifyResponse: (handler) => handler,
      HttpResponseStream: {
        from(stream, head) {
          heads.push(head);
          return stream;
        },
      },
    };
    return { lambda, heads };
  }
  const invoke = (app: Hono, stream: PassThrough, lambda: LambdaRuntime) =>
    (streamingHandler({ app, timeLeft: new TimeLeft(), log }, lambda) as CallableFunction)(
      event("GET", "/"),
      stream,
      context,
    ) as Promise<void>;

  test("the first bytes go out before the last are there", async () => {
    const gate = Promise.withResolvers<void>();
    const body = Readable.from(
      (async function* () {
        yield "first";
        await gate.promise;
        yield "last";
      })(),
    );
    const app = new Hono().get("/", () => new Response(Readable.toWeb(body) as never, { status: 206 }));
    const { lambda, heads } = runtime();
    const stream = new PassThrough();
    const done = invoke(app, stream, lambda);
    const [chunk] = await new Promise<Buffer[]>((resolve) => stream.once("data", (c) => resolve([c])));
    expect(chunk!.toString()).toBe("first");
    gate.resolve();
    expect((await buffer(stream)).toString()).toBe("last");
    await done;
    expect(heads).toMatchObject([{ statusCode: 206 }]);
  });

  test("an answer without a body ends", async () => {
    const app = new Hono().get("/", (c) => c.body(null, 204));
    const { lambda, heads } = runtime();
    const stream = new PassThrough();
    await invoke(app, stream, lambda);
    expect((await buffer(stream)).length).toBe(0);
    expect(heads).toMatchObject([{ statusCode: 204 }]);
  });

  test("a body that fails half way breaks the answer off", async () => {
    const failing = Readable.from(
      (async function* () {
        yield "half";
        throw new Error("staging went away");
      })(),
    );
    const app = new Hono().get("/", () => new Response(Readable.toWeb(failing) as never));
    const stream = new PassThrough();
    stream.resume();
    const closed = new Promise<boolean>((resolve) =>
      stream.once("close", () => resolve(stream.writableFinished)),
    );
    await expect(invoke(app, stream, runtime().lambda)).rejects.toThrow("staging went away");
    expect(await closed).toBe(false);
  });
});

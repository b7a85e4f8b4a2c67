import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { RawConnection } from "#test/support/raw-http.ts";
import { answerThenDrain } from "./answer-then-drain.ts";
import { incomingOf } from "./body-stream.ts";
import { errorResponse } from "./errors.ts";
import type { Fields } from "./fields.ts";
import { NumberText } from "./json-text.ts";
import { readBody, readQuery } from "./read-body.ts";

const log = pino({ level: "silent" });
const app = new Hono();
app.onError((error, c) => answerThenDrain(errorResponse(error, { log }), incomingOf(c)));
app.post("/", async (c) => c.json(plain(await readBody(c))));
app.post("/hurry", async (c) => c.json(plain(await readBody(c, { maxMs: 100 }))));
app.on(["GET", "POST"], "/query", async (c) => c.json(plain(readQuery(c))));

function plain(fields: Fields): Record<string, unknown[]> {
  const text = (value: unknown): unknown => {
    if (value instanceof NumberText) return `#${value.text}`;
    if (value instanceof Map) return { map: [...value].map(([key, inner]) => [key, text(inner)]) };
    return Array.isArray(value) ? value.map(text) : value;
  };
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.map(text)]));
}

let server: Server;
let port: number;
beforeAll(async () => {
  server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

type Init = {
  body?: string | Uint8Array | FormData;
  type?: string;
  headers?: Record<string, string>;
  path?: string;
};

/** The same request over a Node server and straight into the app, as on Lambda. */
describe.each(["node", "web"])("readBody (%s)", (kind) => {
  async function post({ body, type, headers, path = "/" }: Init): Promise<{ status: number; body: unknown }> {
    const init = {
      method: "POST",
      body,
      headers: { ...(type !== undefined && { "content-type": type }), ...headers },
      duplex: "half",
    } as RequestInit;
    const response =
      kind === "node"
        ? await fetch(`http://127.0.0.1:${port}${path}`, init)
        : await app.request(`http://x${path}`, init);
    return { status: response.status, body: await response.json() };
  }

  test("reads a multipart form, repeated fields in order, and throws files away", async () => {
    const body = new FormData();
    body.append("args", "--debug");
    body.append("junk", new File(["x".repeat(100_000)], "junk.bin"));
    body.append("args", "ü");
    expect(await post({ body })).toEqual({ status: 200, body: { args: ["--debug", "ü"] } });
  });

  test("reads a url-encoded form", async () => {
    const body = "a=1&b=%C3%BC+x&a=2&c&d=%zz";
    const type = "application/x-www-form-urlencoded; charset=UTF-8";
    expect((await post({ body, type })).body).toEqual({ a: ["1", "2"], b: ["ü x"], c: [""], d: ["%zz"] });
  });

  test("reads a JSON object, numbers as written", async () => {
    const body = '{"n": 1.10, "l": [1, "x", null], "o": {"__proto__": 2}, "t": "x"}';
    for (const type of ["application/json", "Application/JSON; charset=utf-8", "application/x+json"]) {
      expect((await post({ body, type })).body).toEqual({
        n: ["#1.10"],
        l: [["#1", "x", null]],
        o: [{ map: [["__proto__", "#2"]] }],
        t: ["x"],
      });
    }
  });

  test("no body is no fields, whatever its type", async () => {
    for (const type of [undefined, "application/json", "text/plain", "multipart/form-data"]) {
      expect(await post({ type })).toEqual({ status: 200, body: {} });
    }
  });

  test.each<[string, Init]>([
    ["not JSON", { body: "{", type: "application/json" }],
    ["deep JSON", { body: "[".repeat(500_000), type: "application/json" }],
    ["a JSON list", { body: "[1]", type: "application/json" }],
    ["a JSON text", { body: '"x"', type: "application/json" }],
    ["not UTF-8", { body: Uint8Array.of(0x7b, 0xff, 0x7d), type: "application/json" }],
    ["a form without a boundary", { body: "x", type: "multipart/form-data" }],
    [
      "a form without an end",
      {
        body: '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx',
        type: "multipart/form-data; boundary=b",
      },
    ],
    ["no form at all", { body: "hello", type: "multipart/form-data; boundary=b" }],
  ])("400 for %s", async (_name, init) => {
    expect(await post(init)).toMatchObject({ status: 400, body: { error: "INVALID_PARAMETERS" } });
  });

  test.each<[string, Init]>([
    ["plain text", { body: "a=1", type: "text/plain" }],
    ["XML", { body: "<a/>", type: "application/xml" }],
    [
      "a compressed body",
      { body: "a=1", type: "application/x-www-form-urlencoded", headers: { "content-encoding": "gzip" } },
    ],
  ])("415 for %s", async (_name, init) => {
    expect(await post(init)).toMatchObject({ status: 415, body: { error: "UNSUPPORTED_MEDIA_TYPE" } });
  });

  test("413 just over 1 MiB, 200 just under", async () => {
    const type = "application/x-www-form-urlencoded";
    const under = await post({ body: `a=${"x".repeat(LIMITS.bodyBytes - 2)}`, type });
    expect(under.status).toBe(200);
    const over = await post({ body: `a=${"x".repeat(LIMITS.bodyBytes - 1)}`, type });
    expect(over).toMatchObject({ status: 413, body: { error: "BODY_TOO_LARGE" } });
  });

  test("413 for a large file in a form without files", async () => {
    const body = new FormData();
    body.append("f", new File(["x".repeat(LIMITS.bodyBytes)], "f"));
    expect(await post({ body })).toMatchObject({ status: 413 });
  });

  test("reads the query as a url-encoded form", async () => {
    const { body } = await post({ path: "/query?a=1&b=%C3%BC+x&a=&c#d=1" });
    expect(body).toEqual({ a: ["1", ""], b: ["ü x"], c: [""] });
    expect(await post({ path: "/query?a=%FC" })).toMatchObject({ status: 400 });
  });
});

test("a body that dribbles in is not waited for for ever", async () => {
  const raw = await RawConnection.open(port);
  await raw.write(
    "POST /hurry HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
  );
  const dribble = setInterval(() => void raw.write(" "), 10);
  try {
    await raw.until(/^HTTP\/1\.1 400 [\s\S]*not whole within/);
  } finally {
    clearInterval(dribble);
    raw.close();
  }
});

test("413 without a Content-Length: the answer comes while the client is still sending", async () => {
  const raw = await RawConnection.open(port);
  await raw.write(
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
  );
  const chunk = Buffer.alloc(256 * 1024, 0x20);
  for (let i = 0; i < 5; i++) {
    await raw.write(`${chunk.length.toString(16)}\r\n`);
    await raw.write(chunk);
    await raw.write("\r\n");
  }
  await raw.until(/^HTTP\/1\.1 413 [\s\S]*BODY_TOO_LARGE/);
  // goes on sending, and ends: nothing was reset
  await raw.write(`${chunk.length.toString(16)}\r\n`);
  await raw.write(chunk);
  expect(await raw.write("\r\n0\r\n\r\n")).toBe(true);
  await raw.untilClosed();
  raw.close();
});

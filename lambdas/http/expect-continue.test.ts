import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RawConnection } from "#test/support/raw-http.ts";
import { answerThenDrain } from "./answer-then-drain.ts";
import { incomingOf } from "./body-stream.ts";
import { honourExpectContinue } from "./expect-continue.ts";

let server: Server;
let raw: RawConnection;
const app = new Hono();
app.post("/read", async (c) => c.text(`read ${(await c.req.text()).length}`));
app.post("/refuse", (c) => answerThenDrain(c.text("no", 423), incomingOf(c)));
app.post("/ignore", (c) => c.text("fine"));

beforeEach(async () => {
  server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false, createServer }) as Server;
  honourExpectContinue(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  raw = await RawConnection.open((server.address() as AddressInfo).port);
});
afterEach(async () => {
  raw.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const head = (path: string, expectation = "100-continue") =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: ${expectation}\r\n\r\n`;

test("100 comes when the route reads the body", async () => {
  await raw.write(head("/read"));
  await raw.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  await raw.write("hello");
  await raw.until(/HTTP\/1\.1 200 OK[\s\S]*read 5$/);
  expect(raw.text.match(/100 Continue/g)).toHaveLength(1);
});

test("a body that does not wait for the 100 is read too", async () => {
  await raw.write(`${head("/read")}hello`);
  await raw.until(/HTTP\/1\.1 200 OK[\s\S]*read 5$/);
});

test("a refusal comes instead of the 100, and the connection closes", async () => {
  await raw.write(head("/refuse"));
  await raw.until(/^HTTP\/1\.1 423 Locked\r\n[\s\S]*connection: close[\s\S]*\r\n\r\nno$/i);
  raw.socket.end();
  await raw.untilClosed();
  expect(raw.text).not.toContain("100 Continue");
});

test("an answer that needs no body comes without a 100", async () => {
  await raw.write(head("/ignore"));
  await raw.until(/^HTTP\/1\.1 200 OK[\s\S]*fine$/);
  expect(raw.text).not.toContain("100 Continue");
});

test("any other expectation is 417", async () => {
  await raw.write(head("/read", "the-unexpected"));
  await raw.until(/^HTTP\/1\.1 417 [\s\S]*EXPECTATION_FAILED/);
});

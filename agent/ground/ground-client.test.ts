import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { GroundClient, GroundUnavailable } from "./ground-client.ts";

let server: http.Server;
let client: GroundClient;
afterEach(async () => {
  client.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function ground(answer: http.RequestListener): Promise<string> {
  server = http.createServer(answer);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new GroundClient({ url, token: "t" });
  return url;
}

test.each([
  ["a proxy's page", "<html>log in</html>"],
  ["another answer", '{"resumed":1}'],
])("%s in place of the ground's answer is taken for no contact", async (_, page) => {
  await ground((_request, response) => response.end(page));
  await expect(client.claim(1)).rejects.toThrow(GroundUnavailable);
  const claiming = client.claimMany({ epoch: 1, room: {}, have: [], turn: 1 });
  await expect(claiming).rejects.toThrow(GroundUnavailable);
});

test("calls get through while transfers hold every socket of theirs", async () => {
  let held = 0;
  const many = Promise.withResolvers<void>();
  const url = await ground((request, response) => {
    if (request.url === "/agent/heartbeat") return void response.end('{"quota":1}');
    if (++held === 16) many.resolve();
    request.resume();
  });
  const stop = new AbortController();
  const sending = Array.from({ length: 20 }, (_, n) =>
    client.put(`${url}/part/${n}`, Buffer.from("x"), stop.signal),
  );
  const ended = Promise.allSettled(sending);
  await many.promise;
  expect(await client.heartbeat({ epoch: 1, nodes: [], usage: {}, free: 1 })).toMatchObject({ quota: 1 });
  stop.abort();
  await ended;
});

test("goes through the proxy that the environment names, but not to what it excepts", async () => {
  const asked: (string | undefined)[] = [];
  const url = await ground((request, response) => {
    asked.push(request.url);
    response.end("{}");
  });
  client.close();
  const far = "http://ground.test:8080";
  client = new GroundClient({ url: far, token: "t", proxies: { http_proxy: url } });
  const { signal } = new AbortController();
  await client.put("/staging/x", Buffer.from("x"), signal);
  expect(await client.download("/staging/x", 0, signal, async () => undefined)).toBe(false);
  client.close();
  client = new GroundClient({ url, token: "t", proxies: { HTTP_PROXY: far, NO_PROXY: "127.0.0.1" } });
  await client.put("/staging/y", Buffer.from("y"), signal);
  expect(asked).toEqual([`${far}/staging/x`, "/staging/y"]);
});

test("an object is opened from one byte to another", async () => {
  const ranges: (string | undefined)[] = [];
  const url = await ground((request, response) => {
    ranges.push(request.headers.range);
    response.writeHead(request.headers.range ? 206 : 200).end("x");
  });
  const { signal } = new AbortController();
  for (const [start, end] of [[0], [5], [0, 4], [5, 6]] as const) {
    (await client.get(`${url}/o`, start, signal, end)).resume();
  }
  expect(ranges).toEqual([undefined, "bytes=5-", "bytes=0-3", "bytes=5-5"]);
});

test("a large download may be silent for six round trips, however long these are", async () => {
  const url = await ground((_request, response) => {
    response.writeHead(200, { "content-length": 2 });
    response.write("a");
    setTimeout(() => response.end("b"), 300);
  });
  client.close();
  client = new GroundClient({ url, token: "t", idleMs: 50 });
  for (let i = 0; i < 3; i++) client.link.answered(20_000);
  const parts: string[] = [];
  const write = async (chunks: readonly Buffer[]) => void parts.push(...chunks.map(String));
  expect(await client.download("/x", 0, new AbortController().signal, write)).toBe(true);
  expect(parts.join("")).toBe("ab");
});

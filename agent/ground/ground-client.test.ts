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

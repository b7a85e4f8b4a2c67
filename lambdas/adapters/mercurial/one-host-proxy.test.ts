import { type IncomingHttpHeaders, request } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { openOneHostProxy } from "./one-host-proxy.ts";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

type Answer = { status: number | undefined; headers: IncomingHttpHeaders; body: string };

/** What comes through the proxy when its host answers with these lines. */
async function through(lines: string[]): Promise<Answer> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(lines.join("\r\n")));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using proxy = await openOneHostProxy({ host, internal: [host] });
  return await new Promise<Answer>((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: proxy.port, path: `http://${host}/`, agent: false });
    asked.once("error", reject);
    asked.once("response", (response) => {
      const { statusCode: status, headers } = response;
      text(response).then((body) => resolve({ status, headers, body }), reject);
    });
    asked.end();
  });
}

test("a status that there is not ends the connection and nothing else", async () => {
  await expect(through(["HTTP/1.1 099 Odd", "content-length: 2", "", "ok"])).rejects.toThrow(
    "socket hang up",
  );
  expect(await through(["HTTP/1.1 200 OK", "content-length: 2", "", "ok"])).toMatchObject({ body: "ok" });
});

test("what is for one connection alone does not come through", async () => {
  const { status, headers, body } = await through([
    "HTTP/1.1 200 OK",
    "content-length: 2",
    "trailer: x-later",
    "keep-alive: timeout=1000",
    "connection: close, x-own",
    "x-own: 1",
    "x-other: 2",
    "",
    "ok",
  ]);
  expect({ status, body }).toEqual({ status: 200, body: "ok" });
  expect(headers).toMatchObject({ "content-length": "2", "x-other": "2" });
  expect(headers).not.toHaveProperty("trailer");
  expect(headers).not.toHaveProperty("x-own");
  expect(headers["keep-alive"]).not.toBe("timeout=1000");
});

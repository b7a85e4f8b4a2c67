import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { upgradeSocket } from "./upgrade-socket.ts";

test("a client whose connection was closed before the handshake is refused, and nobody waits for it", async () => {
  const server = http.createServer();
  const outcome = Promise.withResolvers<unknown>();
  server.on("upgrade", (incoming, socket, head) => {
    socket.on("error", () => undefined);
    socket.once("close", () => {
      upgradeSocket(incoming, socket, head, { messageBytes: 1024 }, () => "a socket").then(
        outcome.resolve,
        outcome.resolve,
      );
    });
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.on("error", () => undefined);
  client.write(
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n\r\n`,
  );
  expect(await outcome.promise).toEqual(new Error("the client has gone"));
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
});

import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { endSocket } from "./end-socket.ts";

test("a client that takes its answer and stays is cut", { timeout: 60_000 }, async () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const accepted = once(server.listen(0, "127.0.0.1"), "connection");
  await once(server, "listening");
  const client = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [socket] = await accepted;
  const gone = once(socket, "close");
  client.write("more");
  let text = "";
  client.on("data", (data) => {
    text += data;
  });
  endSocket(socket, "no");
  await gone;
  expect(text).toBe("no");
  client.destroy();
  server.close();
});

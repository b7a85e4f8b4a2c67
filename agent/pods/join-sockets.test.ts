import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { joinSockets } from "./join-sockets.ts";

const opened: (Socket | Server)[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
});

/** Both ends of a connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [far] = await once(server, "connection");
  // what is broken off while it is written to says so
  for (const socket of [near, far]) socket.on("error", () => undefined);
  opened.push(server, near, far);
  return [near, far];
}

test("when one is closed that has said its end but not taken everything, the other is closed too", async () => {
  const [[client, from], [to, server]] = [await pair(), await pair()];
  joinSockets(from, to);
  client.pause().end("question");
  server.resume();
  await once(server, "end");
  // more than fits between, to a client that does not read
  const stuck = () => server.write(Buffer.alloc(1 << 20));
  while (stuck());
  await once(to, "data");
  expect([from.readableEnded, to.writableEnded]).toEqual([true, true]);
  const closed = once(to, "close");
  from.destroy();
  await closed;
});

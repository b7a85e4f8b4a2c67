import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test } from "vitest";
import { KiB } from "#protocol/limits.ts";
import { joinSockets, largeReads } from "./join-sockets.ts";

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

test("what comes in pieces of any size arrives as it was, at one who reads slowly too", async () => {
  const [client, from] = await pair();
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  opened.push(server);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const to = largeReads()((onread) => connect({ port, allowHalfOpen: true, onread }));
  const [source] = (await once(server, "connection")) as [Socket];
  opened.push(to, source);
  // it speaks first, before anybody reads
  source.write("hello\n");
  await setTimeout(20);
  joinSockets(from, to);
  const said = createHash("sha256").update("hello\n");
  const heard = createHash("sha256");
  const sent = (async () => {
    for (let n = 0; n < 400; n++) {
      const piece = randomBytes(n % 3 === 0 ? 1 + n : n * 577);
      said.update(piece);
      if (!source.write(piece)) await once(source, "drain");
      if (n % 50 === 0) await setTimeout(1);
    }
    source.end();
  })();
  let pieces = 0;
  for await (const piece of client) {
    heard.update(piece);
    if (pieces++ % 20 === 0) await setTimeout(1);
  }
  await sent;
  expect(heard.digest("hex")).toBe(said.digest("hex"));
  // the other way goes on after that end
  client.end("thanks");
  let answer = "";
  for await (const piece of source) answer += piece;
  expect(answer).toBe("thanks");
});

test("one that is led on is broken off when who it leads to breaks", async () => {
  const [client, from] = await pair();
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  opened.push(server);
  await once(server, "listening");
  const at = (server.address() as AddressInfo).port;
  const to = largeReads()((onread) => connect({ port: at, allowHalfOpen: true, onread }));
  const [source] = (await once(server, "connection")) as [Socket];
  source.on("error", () => undefined);
  opened.push(to, source);
  joinSockets(from, to);
  while (source.write(Buffer.alloc(1 << 20)));
  const closed = once(to, "close");
  client.destroy();
  await closed;
});

test("connections where nothing comes any more hold next to no memory, whatever came before", async () => {
  const IDLE = 200;
  const PIECE = Buffer.alloc(300 * KiB, "piece");
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const held = () => {
    gc();
    return process.memoryUsage().arrayBuffers;
  };
  const server = createServer({ allowHalfOpen: true }, (source) => {
    opened.push(source);
    source.write(PIECE);
  }).listen(0, "127.0.0.1");
  opened.push(server);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const read = largeReads();
  const before = held();
  for (let n = 0; n < IDLE; n++) {
    const [client, from] = await pair();
    const to = read((onread) => connect({ port, allowHalfOpen: true, onread }));
    opened.push(to);
    joinSockets(from, to);
    let left = PIECE.length;
    for await (const piece of client.iterator({ destroyOnReturn: false })) {
      left -= (piece as Buffer).length;
      if (left === 0) break;
    }
  }
  // each held 256 KiB when it had buffers of its own
  await expect.poll(() => (held() - before) / IDLE, { timeout: 60_000 }).toBeLessThan(64 * KiB);
});

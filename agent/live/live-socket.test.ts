import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { openLiveSocket } from "./live-socket.ts";

/** What RFC 6455 adds to a client's key. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A relay that answers an upgrade and sends these bytes with it, in one packet. @returns its address */
async function relayThatSends(frames: Buffer): Promise<string> {
  const server = createServer();
  server.on("upgrade", (incoming, socket) => {
    const key = createHash("sha1").update(incoming.headers["sec-websocket-key"] + GUID);
    const head = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${key.digest("base64")}`,
    ];
    socket.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), frames]));
    onTestFinished(() => void socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const frame = (...bytes: number[]) => Buffer.from([0x82, bytes.length, ...bytes]);

test("frames that come with the answer to the upgrade are not lost, and keep their order", async () => {
  const url = await relayThatSends(Buffer.concat([frame(1, 2), frame(3)]));
  const signal = new AbortController().signal;
  const socket = await openLiveSocket({ url, token: "t", epoch: 1 }, { signal });
  const seen: number[][] = [];
  const both = Promise.withResolvers<void>();
  socket.onFrame((data) => {
    seen.push([...data]);
    if (seen.length === 2) both.resolve();
  });
  await both.promise;
  expect(seen).toEqual([[1, 2], [3]]);
});

test("nor are they when nobody listens for a while", async () => {
  const url = await relayThatSends(frame(7));
  const signal = new AbortController().signal;
  const socket = await openLiveSocket({ url, token: "t", epoch: 1 }, { signal });
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  const seen = await new Promise<Uint8Array>((resolve) => socket.onFrame(resolve));
  expect([...seen]).toEqual([7]);
});

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { ExecSocket } from "./exec-socket.ts";

const control = (message: object) => Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(message))]);

test("after the end the socket is closed at once, whichever side begins", { timeout: 25_000 }, async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const ground of ["waits", "closes"]) {
    const connected = once(server, "connection") as Promise<[WebSocket]>;
    const socket = await ExecSocket.open(`ws://127.0.0.1:${port}`, new AbortController().signal);
    const [theirs] = await connected;
    const closed = once(theirs, "close");
    theirs.send(control({ type: "started" }));
    theirs.send(Buffer.from("\x01out"));
    theirs.send(control({ type: "exit", code: 7 }));
    const seen: unknown[] = [];
    for await (const message of socket.messages()) {
      seen.push(message.type === "stdout" ? message.data.toString() : message);
    }
    expect(seen).toEqual([{ type: "started" }, "out", { type: "end", end: { type: "exit", code: 7 } }]);
    // in a packet of its own, after what was the last to be read
    if (ground === "closes") theirs.close(1000);
    socket.close();
    // not before the other side has seen the end of the connection
    expect((await closed)[0]).toBe(1000);
  }
});

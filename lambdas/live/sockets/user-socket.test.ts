import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { isForeignOrigin, refuseUpgrade } from "./refuse-upgrade.ts";
import { acceptUserSocket, type UserSocket, type UserSocketOptions } from "./user-socket.ts";

let server: Server | undefined;
afterEach(() => {
  vi.useRealTimers();
  server?.closeAllConnections();
  server?.close();
});

/** A listener whose next upgrade is accepted. */
async function listen(options: UserSocketOptions = {}) {
  const http = createServer();
  server = http;
  const accepted = new Promise<UserSocket>((resolve) => {
    http.on("upgrade", (incoming, socket, head) => {
      socket.on("error", () => socket.destroy());
      void acceptUserSocket(incoming, socket, head, options).then(resolve, () => {});
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return { url: `ws://127.0.0.1:${port}/`, port, accepted };
}

async function next(socket: UserSocket) {
  for await (const message of socket.messages) return message;
  return undefined;
}

describe("acceptUserSocket", () => {
  it("carries texts and bytes both ways, without compression, and closes with its code", async () => {
    const { url, accepted } = await listen();
    const client = new WebSocket(url);
    const opened = once(client, "open");
    const socket = await accepted;
    await opened;
    expect([client.protocol, client.extensions]).toEqual(["", ""]);
    const got: [string, boolean][] = [];
    client.on("message", (data, binary) => got.push([data.toString(), binary]));
    client.send("text");
    expect(await next(socket)).toMatchObject({ data: Buffer.from("text"), binary: false });
    client.send(Buffer.from([1]));
    expect(await next(socket)).toMatchObject({ data: Buffer.from([1]), binary: true });
    await socket.send("out");
    await socket.send(Buffer.from("bytes"));
    socket.close(1000);
    const [code, reason] = await once(client, "close");
    expect([code, reason.toString()]).toEqual([1000, ""]);
    expect(got).toEqual([
      ["out", false],
      ["bytes", true],
    ]);
    expect(socket.gone.aborted).toBe(false);
  });

  it("chooses the sub-protocol that was asked for, when the client offers it", async () => {
    const { url, accepted } = await listen({ protocol: "perigee.exec.v1" });
    const client = new WebSocket(url, ["other", "perigee.exec.v1"]);
    await Promise.all([once(client, "open"), accepted]);
    expect(client.protocol).toBe("perigee.exec.v1");
    client.terminate();
  });

  it("ends a client whose message is too long with 1009", async () => {
    const { url, accepted } = await listen({ messageBytes: 1024 });
    const client = new WebSocket(url);
    const socket = await accepted;
    if (client.readyState !== client.OPEN) await once(client, "open");
    client.send(Buffer.alloc(1025));
    const [code] = await once(client, "close");
    expect(code).toBe(1009);
    if (!socket.gone.aborted) await once(socket.gone, "abort");
    expect(await next(socket)).toBeUndefined();
  });

  it("counts a client as gone that closes, that breaks off, and that is silent", async () => {
    for (const end of ["close", "terminate", "silence"] as const) {
      const { url, accepted } = await listen(end === "silence" ? { silentMs: 200 } : {});
      const client = new WebSocket(url, { autoPong: false });
      const socket = await accepted;
      if (client.readyState !== client.OPEN) await once(client, "open");
      if (end !== "silence") client[end]();
      if (!socket.gone.aborted) await once(socket.gone, "abort");
      server?.close();
    }
  });

  it("does so after 5 minutes without a byte, and after 5 minutes in which nothing was taken", async () => {
    for (const [options, fill] of [
      [{}, false],
      [{ silentMs: 3600_000 }, true],
    ] as const) {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
      const { url, accepted } = await listen(options);
      const client = new WebSocket(url, { autoPong: false });
      const socket = await accepted;
      if (client.readyState !== client.OPEN) await once(client, "open");
      if (fill) {
        client.pause();
        let full = false;
        while (!full) {
          const sent = socket.send(Buffer.alloc(1024 * 1024)).then(() => false);
          const turns = new Promise<true>((resolve) => setTimeout(resolve, 100, true));
          full = await Promise.race([sent, turns]);
        }
      }
      // what came before is found with the first look
      vi.advanceTimersByTime(20_000);
      vi.advanceTimersByTime(5 * 60_000 - (fill ? 20_001 : 1));
      expect([fill, socket.gone.aborted]).toEqual([fill, false]);
      vi.advanceTimersByTime(20_000);
      expect([fill, socket.gone.aborted]).toEqual([fill, true]);
      vi.useRealTimers();
      client.terminate();
      server?.close();
    }
  });

  it("cuts a client that takes nothing of what waits for it, though it lives", async () => {
    const { port, accepted } = await listen({ stalledMs: 300, pingMs: 50 });
    const raw = connect(port, "127.0.0.1");
    raw.write(
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    raw.on("error", () => {});
    const socket = await accepted;
    raw.pause();
    // the pongs of a client that reads nothing
    const alive = setInterval(() => raw.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0])), 50);
    let sent = 0;
    while (!socket.gone.aborted && sent < 1024) {
      await socket.send(Buffer.alloc(64 * 1024));
      sent += 1;
    }
    clearInterval(alive);
    expect(socket.gone.aborted).toBe(true);
    raw.destroy();
  });

  it("keeps no answers to the pings of a client that takes none", async () => {
    const { port, accepted } = await listen();
    const raw = connect(port, "127.0.0.1");
    raw.on("error", () => {});
    raw.write(
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    const socket = await accepted;
    raw.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const many = Buffer.concat(Array.from({ length: 1000 }, () => ping));
    for (let n = 0; n < 200; n++) if (!raw.write(many)) await once(raw, "drain");
    raw.write(Buffer.concat([Buffer.from([0x81, 0x81, 0, 0, 0, 0]), Buffer.from("x")]));
    expect(await next(socket)).toBeDefined();
    void socket.send("the end");
    let bytes = 0;
    for await (const chunk of raw) {
      bytes += chunk.length;
      if (chunk.includes("the end")) break;
    }
    expect(bytes).toBeLessThan(200 * 1000 * 127);
    raw.destroy();
  });

  it("holds back a client whose messages nobody reads, and still sees that it goes", async () => {
    const { url, accepted } = await listen();
    const client = new WebSocket(url);
    const socket = await accepted;
    if (client.readyState !== client.OPEN) await once(client, "open");
    for (let n = 0; n < 16; n++) client.send(Buffer.alloc(1024 * 1024));
    await expect.poll(() => client.bufferedAmount).toBeGreaterThan(4 * 1024 * 1024);
    client.terminate();
    if (!socket.gone.aborted) await once(socket.gone, "abort");
  });
});

describe("refuseUpgrade", () => {
  it("answers as HTTP does", async () => {
    const http = createServer();
    server = http;
    http.on("upgrade", (_, socket) => {
      void refuseUpgrade(socket, new Response('{"a":1}', { status: 424, headers: { "x-y": "z" } }));
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/`);
    const [, answer] = await once(client, "unexpected-response");
    expect(answer.statusCode).toBe(424);
    expect(answer.headers).toMatchObject({ "x-y": "z", "content-length": "7" });
    client.on("error", () => {});
    client.terminate();
  });
});

describe("isForeignOrigin", () => {
  it.each([
    [undefined, "h", false],
    ["http://h", "h", false],
    ["http://H:80", "h", false],
    ["https://h:8443", "h:8443", false],
    ["http://h:81", "h", true],
    ["http://evil", "h", true],
    ["null", "h", true],
    ["", "h", true],
    ["http://h", undefined, true],
  ])("origin %s at host %s: %s", (origin, host, foreign) => {
    expect(isForeignOrigin({ headers: { origin, host } } as never)).toBe(foreign);
  });
});

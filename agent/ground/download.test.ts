import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KiB, MiB } from "#protocol/limits.ts";
import { ConnectionCut, download } from "./download.ts";

/** What a connection's server does, from the request's head on. */
type Script = (socket: net.Socket, head: string) => void;

let server: net.Server;
let script: Script;
let url: URL;
const sockets = new Set<net.Socket>();

beforeEach(async () => {
  server = net.createServer((socket) => {
    sockets.add(socket);
    let head = "";
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      const before = head.includes("\r\n\r\n");
      head += chunk;
      if (!before && head.includes("\r\n\r\n")) script(socket, head);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/staging/a%20b?signature=x`);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((closed) => server.close(closed));
});

type Over = Partial<Parameters<typeof download>[0]>;

/** Downloads; chunks are copied when they are written, as a disk would. */
async function get(over: Over = {}) {
  const written: Buffer[] = [];
  const outcome = await download({
    url,
    start: 0,
    idleMs: 10_000,
    signal: new AbortController().signal,
    write: async (chunks) => void written.push(...chunks.map((chunk) => Buffer.from(chunk))),
    ...over,
  }).catch((error: unknown) => error);
  return { outcome, body: Buffer.concat(written) };
}

const ok = (length: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
/** Bytes of which none looks like its neighbours. */
const bytes = (length: number) => Buffer.from(Uint32Array.from({ length: length / 4 }, (_, i) => i).buffer);

describe("download", () => {
  it("asks for the object alone, and takes the whole of it", async () => {
    const content = bytes(8 * MiB);
    let asked = "";
    script = (socket, head) => {
      asked = head;
      socket.end(Buffer.concat([Buffer.from(ok(content.length)), content]));
    };
    const { outcome, body } = await get();
    expect(outcome).toBe(true);
    expect(body.equals(content)).toBe(true);
    expect(asked).toBe(
      `GET /staging/a%20b?signature=x HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n\r\n`,
    );
  });

  it("goes on from a byte", async () => {
    script = (socket, head) => {
      expect(head).toContain("\r\nRange: bytes=7-\r\n");
      socket.end("HTTP/1.1 206 \r\ncontent-range: bytes 7-9/10\r\ncontent-length:3\r\n\r\nxyz");
    };
    expect(await get({ start: 7 })).toEqual({ outcome: true, body: Buffer.from("xyz") });
  });

  it("never reads over what is still being written, however slow that is", async () => {
    const content = bytes(4 * MiB);
    script = (socket) => socket.end(Buffer.concat([Buffer.from(ok(content.length)), content]));
    const written: Buffer[] = [];
    let atOnce = 0;
    const { outcome } = await get({
      async write(chunks) {
        expect(++atOnce).toBe(1);
        const before = chunks.map((chunk) => Buffer.from(chunk));
        // turns of the event loop, in which the socket could read
        for (let i = 0; i < 20; i++) await new Promise((turn) => setImmediate(turn));
        expect(chunks.every((chunk, i) => chunk.equals(before[i]!))).toBe(true);
        written.push(...before);
        atOnce--;
      },
    });
    expect(outcome).toBe(true);
    expect(Buffer.concat(written).equals(content)).toBe(true);
  });

  it("takes an answer in whatever pieces, and one cut anywhere as far as it came", async () => {
    const content = bytes(400 * KiB);
    const answer = Buffer.concat([Buffer.from(ok(content.length)), content]);
    const head = answer.length - content.length;
    await fc.assert(
      fc.asyncProperty(
        // small offsets fall into the head, where every byte counts
        fc.oneof(fc.nat(head + 10), fc.nat(answer.length)),
        fc.array(fc.oneof(fc.nat(head + 10), fc.nat(answer.length)), { maxLength: 6 }),
        fc.boolean(),
        async (end, cuts, reset) => {
          script = async (socket) => {
            socket.setNoDelay(true);
            const at = [0, ...cuts.filter((cut) => cut < end).sort((a, b) => a - b), end];
            for (const [i, from] of at.slice(0, -1).entries()) {
              await new Promise((sent) => socket.write(answer.subarray(from, at[i + 1]), sent));
            }
            if (reset) socket.resetAndDestroy();
            else socket.end();
          };
          const { outcome, body } = await get();
          expect(body.equals(content.subarray(0, body.length))).toBe(true);
          if (reset) {
            // a reset may eat what had been sent
            if (outcome !== true) expect(outcome).toBeInstanceOf(ConnectionCut);
            else expect(body.length).toBe(content.length);
            return;
          }
          expect(body.length).toBe(Math.max(0, end - head));
          if (end === answer.length) expect(outcome).toBe(true);
          else expect(outcome).toBeInstanceOf(ConnectionCut);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("ends with the body, whatever follows and however long the connection stays", async () => {
    script = (socket) => socket.write(`${ok(3)}abcHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ndef`);
    expect(await get()).toEqual({ outcome: true, body: Buffer.from("abc") });
    script = (socket) => socket.write(ok(0));
    expect(await get()).toEqual({ outcome: true, body: Buffer.alloc(0) });
  });

  it.each([
    ["a redirect", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"],
    ["a refusal", "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nevil"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n"],
    ["a part that was not asked for", "HTTP/1.1 206 Partial\r\nContent-Length: 4\r\n\r\nevil"],
    ["headers without an end", `HTTP/1.1 200 OK\r\nx: ${"x".repeat(64 * KiB)}`],
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\nevil"],
  ])("leaves %s to a full client, and writes nothing", async (_what, answer) => {
    script = (socket) => socket.write(answer);
    expect(await get()).toEqual({ outcome: false, body: Buffer.alloc(0) });
  });

  it("gives a silent server up, in the head and in the body", async () => {
    for (const answer of ["", "HTTP/1.1 200 OK\r\n", `${ok(5)}ab`]) {
      script = (socket) => socket.write(answer);
      const { outcome } = await get({ idleMs: 20 });
      expect(outcome).toBeInstanceOf(ConnectionCut);
      expect(((outcome as Error).cause as Error).message).toBe("no byte for too long");
    }
  });

  it("does not take a slow disk for a silent server", async () => {
    script = (socket) => socket.end(`${ok(2)}ab`);
    // written only after the idle limit has passed; that is long enough for the server to answer on a busy machine
    const idleMs = 1_000;
    const write = () => new Promise<void>((done) => setTimeout(done, 1.5 * idleMs));
    expect((await get({ idleMs, write })).outcome).toBe(true);
  });

  it("rejects with what writing rejects with, also at the last byte", async () => {
    const full = new Error("ENOSPC");
    const write = async () => {
      throw full;
    };
    script = (socket) => socket.write(`${ok(2)}a`);
    expect((await get({ write })).outcome).toBe(full);
    script = (socket) => socket.end(`${ok(2)}ab`);
    expect((await get({ write })).outcome).toBe(full);
  });

  it("settles on an abort only when nothing is being written, and then writes no more", async () => {
    const abort = new AbortController();
    const reason = new Error("cancelled");
    const held = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    script = (socket) => socket.write(Buffer.concat([Buffer.from(ok(8 * MiB)), bytes(4 * MiB)]));
    let writes = 0;
    let settled = false;
    const running = get({
      signal: abort.signal,
      write: () => {
        writes++;
        begun.resolve();
        return held.promise;
      },
    }).finally(() => {
      settled = true;
    });
    await begun.promise;
    abort.abort(reason);
    await new Promise((turn) => setImmediate(turn));
    expect(settled).toBe(false);
    held.resolve();
    expect((await running).outcome).toBe(reason);
    expect(writes).toBe(1);
    expect((await get({ signal: abort.signal })).outcome).toBe(reason);
  });

  it("tells of a server that is not there", async () => {
    const gone = net.createServer().listen(0, "127.0.0.1");
    await once(gone, "listening");
    const { port } = gone.address() as AddressInfo;
    await new Promise((closed) => gone.close(closed));
    const { outcome } = await get({ url: new URL(`http://127.0.0.1:${port}/`) });
    expect(outcome).toBeInstanceOf(ConnectionCut);
  });
});
